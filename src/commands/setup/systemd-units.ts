/**
 * systemd-units - the units that run the daemon under systemd, with the rights that it needs and no more
 *
 * The daemon writes to its data folder only, opens sockets, and starts no program but df. V8 compiles code while it runs, so MemoryDenyWriteExecute= cannot be set.
 *
 * Pure. systemd.exec(5), systemd.socket(5). See also: commands/setup/installation, docs/PRODUCTION.md.
 */
import { dirname } from 'node:path'
import type { Installation, Port25Way } from './installation.ts'

/** Directives that take rights away. `systemd-analyze security` rates them. */
const HARDENING = [
  'NoNewPrivileges=true',
  'ProtectSystem=strict',
  'ProtectHome=true',
  'PrivateTmp=true',
  'PrivateDevices=true',
  'ProtectKernelTunables=true',
  'ProtectKernelModules=true',
  'ProtectKernelLogs=true',
  'ProtectControlGroups=true',
  'ProtectClock=true',
  'ProtectHostname=true',
  'ProtectProc=invisible',
  'RestrictNamespaces=true',
  'RestrictRealtime=true',
  'RestrictSUIDSGID=true',
  'RemoveIPC=true',
  'LockPersonality=true',
  'SystemCallArchitectures=native',
  'SystemCallFilter=@system-service',
  'SystemCallFilter=~@privileged @resources',
  'SystemCallErrorNumber=EPERM',
  '# Netlink lists the addresses of the machine; the Unix socket serves the commands.',
  'RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK',
] as const

const CAPABILITIES = {
  socket: ['CapabilityBoundingSet='],
  nftables: ['CapabilityBoundingSet='],
  capability: [
    '# The right to listen on port 25, and no other.',
    'CapabilityBoundingSet=CAP_NET_BIND_SERVICE',
    'AmbientCapabilities=CAP_NET_BIND_SERVICE',
  ],
} as const satisfies Record<Port25Way, readonly string[]>

/** The folder that systemd makes for the daemon, where the data folder is below /var/lib. */
function stateLinesOf(dataFolder: string): readonly string[] {
  const name = /^\/var\/lib\/([^/]+)$/.exec(dataFolder)?.[1]
  return name === undefined ? [`ReadWritePaths=${dataFolder}`] : [`StateDirectory=${name}`, 'StateDirectoryMode=0700']
}

/** Where the data folder is on a mount of its own, the daemon waits for the mount. */
const unitLinesOf = ({ port25, dataFolder }: Installation): readonly string[] => [
  '[Unit]',
  'Description=bounced, a bounce and feedback-loop daemon',
  'Wants=network-online.target',
  'After=network-online.target postgresql.service',
  `RequiresMountsFor=${dataFolder}`,
  ...(port25 === 'socket' ? ['Requires=bounced.socket'] : []),
]

/** A word of a command line in a unit: `%` begins a specifier, `$` a variable, and both are doubled. */
const word = (text: string): string => `"${text.replaceAll(/[%$]/g, '$&$&').replaceAll(/["\\]/g, String.raw`\$&`)}"`

/** Returns the lines of `bounced.service`. */
export function serviceUnitLinesOf(installation: Installation): readonly string[] {
  const { port25, settingsFile, dataFolder, programFolder, entryFile, nodeFile } = installation
  return [
    '# /etc/systemd/system/bounced.service',
    ...unitLinesOf(installation),
    '',
    '[Service]',
    'Type=exec',
    'User=bounced',
    'Group=bounced',
    `WorkingDirectory=${programFolder}`,
    `ExecStart=${[nodeFile, entryFile, '--config', settingsFile].map(word).join(' ')} serve`,
    '# Reads rules and certificates again.',
    'ExecReload=/bin/kill -HUP $MAINPID',
    '# Longer than limits.closeSeconds, so that running sessions are answered and the last batch is committed.',
    'TimeoutStopSec=30',
    'Restart=on-failure',
    'RestartSec=5',
    '# Exit status 2: the settings are wrong, and another start changes nothing.',
    'RestartPreventExitStatus=2',
    'Environment=NODE_ENV=production NODE_OPTIONS=--max-semi-space-size=8 MALLOC_ARENA_MAX=2',
    '# Compiled code, for a quicker start.',
    'CacheDirectory=bounced',
    'Environment=NODE_COMPILE_CACHE=/var/cache/bounced',
    '# With PostgreSQL: secrets of root, which only this service may read.',
    `#LoadCredential=database:${dirname(settingsFile)}/database.secret`,
    `#LoadCredential=master-key:${dirname(settingsFile)}/master-key.secret`,
    '#Environment=BOUNCED_DATABASE_FILE=%d/database BOUNCED_MASTER_KEY_FILE=%d/master-key',
    ...stateLinesOf(dataFolder),
    'UMask=0077',
    'LimitNOFILE=65536',
    ...CAPABILITIES[port25],
    ...HARDENING,
    '',
    '[Install]',
    'WantedBy=multi-user.target',
    ...(port25 === 'socket' ? ['Also=bounced.socket'] : []),
  ]
}

/** Returns the lines of `bounced.socket`: systemd listens on port 25 and passes the socket. */
export function socketUnitLines(): readonly string[] {
  return [
    '# /etc/systemd/system/bounced.socket',
    '[Unit]',
    'Description=Port 25 for bounced',
    '',
    '[Socket]',
    '# IPv4 and IPv6. Connections wait here while the daemon restarts.',
    'ListenStream=25',
    '# The listener that gets the socket; submission and https can have one too, each in a unit of its own with Service=bounced.service.',
    'FileDescriptorName=smtp',
    'Backlog=4096',
    '',
    '[Install]',
    'WantedBy=sockets.target',
  ]
}
