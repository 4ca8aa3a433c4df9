/**
 * lane-texts - what holds back a lane of the queue
 *
 * The keys are the words of the API. An unknown one is shown as it is (`laneTexts.word`).
 */
import { defineTexts } from './define-texts.ts'

const en = {
  'IP reputation': 'IP reputation',
  'Domain limitation': 'Domain limitation',
  'IP connection frequency': 'IP connection frequency',
  'Server unreachable': 'Server unreachable',
  'Egress unavailable': 'Egress unavailable',
  'List quality': 'List quality',
  'Paused by user': 'Paused by a person',
  'Rate limit': 'Rate limit',
  'Site limit': 'Site limit',
  'IP warm-up': 'IP warm-up',
}

const zh: Readonly<Record<keyof typeof en, string>> = {
  'IP reputation': 'IP 信誉',
  'Domain limitation': '发件域名受限',
  'IP connection frequency': 'IP 连接过于频繁',
  'Server unreachable': '服务器无法连接',
  'Egress unavailable': '出口 IP 不可用',
  'List quality': '名单质量',
  'Paused by user': '人工暂停',
  'Rate limit': '速率限制',
  'Site limit': '站点限制',
  'IP warm-up': 'IP 预热',
}

export const laneTexts = defineTexts({ en, zh })
