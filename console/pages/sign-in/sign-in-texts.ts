/**
 * sign-in-texts - texts of the sign-in and of the one-time link
 */
import { defineTexts } from '../../texts/define-texts.ts'

const en = {
  title: 'Sign in',
  user: 'User',
  account: 'Account',
  kind: 'Sign in as',
  name: 'Name',
  password: 'Password',
  apiUser: 'API user',
  apiKey: 'API key',
  signIn: 'Sign in',
  wrong: 'The name or the secret is wrong.',
  noUsers: 'Nobody can sign in with a password yet. Open the link that the first start of the daemon has printed, or run on the machine:',
  ended: 'Your session has ended',
  endedLead: 'Sign in again; what you typed stays on the page.',
  otherUser: 'Sign in as somebody else',
  welcome: 'Choose a password',
  welcomeFirst: 'Create the first administrator',
  welcomeLead: 'For the user {name}.',
  repeat: 'Password, again',
  differs: 'The two passwords differ.',
  passwordHint: 'At least 12 characters. A few words that do not belong together are good.',
  create: 'Create and sign in',
  badLink: 'This link has been used or has expired',
  badLinkHelp: 'Ask an administrator for a new one, or run on the machine:',
}

const zh: Readonly<Record<keyof typeof en, string>> = {
  title: '登录',
  user: '用户',
  account: '账户',
  kind: '登录身份',
  name: '用户名',
  password: '密码',
  apiUser: 'API 用户',
  apiKey: 'API 密钥',
  signIn: '登录',
  wrong: '用户名或密码错误。',
  noUsers: '目前没有可用密码登录的用户。请打开守护进程首次启动时输出的链接，或在服务器上运行：',
  ended: '会话已结束',
  endedLead: '请重新登录；已输入的内容会保留在页面上。',
  otherUser: '使用其他身份登录',
  welcome: '设置密码',
  welcomeFirst: '创建首位管理员',
  welcomeLead: '用户：{name}。',
  repeat: '再次输入密码',
  differs: '两次输入的密码不一致。',
  passwordHint: '至少 12 个字符，建议使用几个不相关的词。',
  create: '创建并登录',
  badLink: '此链接已被使用或已过期',
  badLinkHelp: '请向管理员索取新链接，或在服务器上运行：',
}

export const signInTexts = defineTexts({ en, zh })
