/** What ipvsadm says when the kernel refuses. */
import type { Backend } from './backend.js'

type Operation = keyof Backend

const BY_OPERATION: Partial<Record<Operation, Record<string, string>>> = {
  addService: {
    EEXIST: 'Service already exists',
    ENOENT: 'Scheduler or persistence engine not found',
  },
  editService: {
    ESRCH: 'No such service',
    ENOENT: 'Scheduler or persistence engine not found',
  },
  delService: { ESRCH: 'No such service' },
  zero: { ESRCH: 'No such service' },
  service: { ESRCH: 'No such service' },
  addDest: { ESRCH: 'Service not defined', EEXIST: 'Destination already exists' },
  editDest: { ESRCH: 'Service not defined', ENOENT: 'No such destination' },
  delDest: { ESRCH: 'Service not defined', ENOENT: 'No such destination' },
  startDaemon: { EEXIST: 'Daemon has already run' },
  stopDaemon: { ESRCH: 'No daemon is running' },
}

const BY_CODE: Record<string, string> = {
  EPERM: 'Permission denied (you must be root)',
  EINVAL: 'Invalid operation.  Possibly wrong module version, address not unicast, ...',
  ENOPROTOOPT: 'Protocol not available',
  ENOMEM: 'Memory allocation problem',
  EOPNOTSUPP: 'Operation not supported with IPv6',
  EAFNOSUPPORT: 'Operation not supported with specified address family',
  EMSGSIZE: 'Module is wrong version',
  // From here on strerror(3) of the C library.
  ENOENT: 'No such file or directory',
  ESRCH: 'No such process',
  EIO: 'Input/output error',
  EACCES: 'Permission denied',
  EBUSY: 'Device or resource busy',
  EEXIST: 'File exists',
  ENODEV: 'No such device',
  ENOSPC: 'No space left on device',
  ERANGE: 'Numerical result out of range',
  ECONNREFUSED: 'Connection refused',
  ETIMEDOUT: 'Connection timed out',
}

/** Null for a code that nobody has foreseen. */
export function messageOf(operation: Operation, code: string): string | null {
  return BY_OPERATION[operation]?.[code] ?? BY_CODE[code] ?? null
}
