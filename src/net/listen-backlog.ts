/**
 * listen-backlog - how many connections the kernel keeps for a listener until they are accepted
 *
 * If the queue is full, the kernel drops the connection attempt, and its client tries again after one second, then after three: a burst of
 * connections makes honest clients wait although there is room for them. Node's default is 511.
 *
 * listen(2). See also: smtp-server/listener, daemon/listeners/http-listener.
 */

/** The usual limit of the kernel (net.core.somaxconn), which cuts larger values. */
export const LISTEN_BACKLOG = 4_096
