/**
 * profile-texts - texts of the page of one's own account
 */
import { defineTexts } from '../../texts/define-texts.ts'

const en = {
  title: 'Profile',
  session: 'This session',
  name: 'Name',
  role: 'Role',
  admin: 'Administrator',
  operator: 'Operator',
  viewer: 'Viewer',
  account: 'Account with an API key',
  endsAt: 'Ends at the latest',
  idleEndsAt: 'Ends without use',
  signOut: 'Sign out',
  everywhere: 'Sign out everywhere',
  everywhereTitle: 'Sign out in every browser?',
  everywhereText: 'All your sessions end, this one too.',
  password: 'Password',
  passwordLead: 'After the change all your sessions end, and you sign in again.',
  present: 'Present password',
  chosen: 'New password',
  repeat: 'New password, again',
  differs: 'The two passwords differ.',
  change: 'Change the password',
  changed: 'The password is changed. Sign in again.',
  preferences: 'Preferences',
  preferencesLead: 'Kept in this browser.',
}

const zh: Readonly<Record<keyof typeof en, string>> = {
  title: '个人资料',
  session: '当前会话',
  name: '用户名',
  role: '角色',
  admin: '管理员',
  operator: '操作员',
  viewer: '只读用户',
  account: '使用 API 密钥的账户',
  endsAt: '最迟结束时间',
  idleEndsAt: '闲置结束时间',
  signOut: '退出登录',
  everywhere: '全部退出登录',
  everywhereTitle: '在所有浏览器中退出登录？',
  everywhereText: '您的所有会话都会结束，包括当前会话。',
  password: '密码',
  passwordLead: '更改后所有会话都会结束，需要重新登录。',
  present: '当前密码',
  chosen: '新密码',
  repeat: '再次输入新密码',
  differs: '两次输入的密码不一致。',
  change: '更改密码',
  changed: '密码已更改，请重新登录。',
  preferences: '偏好设置',
  preferencesLead: '保存在此浏览器中。',
}

export const profileTexts = defineTexts({ en, zh })
