/**
 * Every error the API can return. People match on `code`, never on text: a code keeps its meaning
 * for ever. Served at /problems/{code}.
 */

/** Errors of a whole request: HTTP status, title and what to do about it. */
export const problems = {
  MALFORMED_JSON: {
    status: 400,
    title: 'The body is not JSON',
    about: 'The text could not be parsed. `detail` gives line and column of the first fault.',
  },
  MALFORMED_YAML: {
    status: 400,
    title: 'The body is not YAML',
    about: 'The text could not be parsed. `detail` gives line and column of the first fault.',
  },
  MISSING_BODY: {
    status: 400,
    title: 'The request has no body',
    about: 'Send the document as JSON or YAML, with its `Content-Type`.',
  },
  INVALID_REQUEST: {
    status: 400,
    title: 'The request could not be understood',
    about: 'The request line, a header or the URL is not valid HTTP. `detail` says which.',
  },
  INVALID_PARAMETER: {
    status: 400,
    title: 'A parameter of the request is not valid',
    about: '`errors` lists every faulty query or path parameter, by name in `parameter`.',
  },
  UNAUTHENTICATED: {
    status: 401,
    title: 'The request does not say who makes it',
    about:
      'Send `Authorization: Bearer` with a token, or use a client certificate. `sluice token ' +
      'create --scope read`, run on the appliance by the owner of its admin socket, mints a token.',
  },
  TOKEN_REFUSED: {
    status: 401,
    title: 'The token is not one that opens anything',
    about: 'It is unknown, was revoked or has expired. `sluice token list` shows those there are.',
  },
  CERTIFICATE_REFUSED: {
    status: 401,
    title: 'The client certificate is not taken',
    about:
      'It must be valid, signed by the CA of --tls-client-ca, and its subject must have a common ' +
      'name and one organisational unit `sluice-SCOPE`, as in `OU=sluice-read`.',
  },
  INSUFFICIENT_SCOPE: {
    status: 403,
    title: 'The caller may not do this',
    about: '`detail` names the scope that it takes. Scopes are read < operate < write < admin.',
  },
  FILTER_REQUIRED: {
    status: 400,
    title: 'It is not said which connections are meant',
    about:
      'DELETE /v1/connections ends what its filters name. Without any it does nothing, unless ' +
      '`all=true` says that all connections are meant.',
  },
  NOT_FOUND: {
    status: 404,
    title: 'There is nothing at this address',
    about: 'No resource has this path. /openapi.json lists all of them.',
  },
  SERVICE_NOT_FOUND: {
    status: 404,
    title: 'No such virtual service',
    about: 'No virtual service has this name. GET /v1/virtual-services lists those there are.',
  },
  REAL_SERVER_NOT_FOUND: {
    status: 404,
    title: 'No such real server',
    about: 'The virtual service exists, but has no real server of this name.',
  },
  DRAIN_NOT_FOUND: {
    status: 404,
    title: 'The real server is not being drained',
    about: 'A drain begins with PUT and stays until it is deleted, or until adminState changes.',
  },
  MAINTENANCE_NOT_FOUND: {
    status: 404,
    title: 'No such maintenance',
    about: 'No maintenance has this name. GET /v1/maintenances lists those there are.',
  },
  MARK_RULE_NOT_FOUND: {
    status: 404,
    title: 'No such mark rule',
    about: 'No mark rule has this name. GET /v1/mark-rules lists those there are.',
  },
  HEALTH_CHECK_NOT_FOUND: {
    status: 404,
    title: 'No such health check',
    about: 'No health check has this name. GET /v1/health-checks lists those there are.',
  },
  TOKEN_NOT_FOUND: {
    status: 404,
    title: 'No such token',
    about: 'No token has this name. GET /v1/tokens lists those there are.',
  },
  WEBHOOK_NOT_FOUND: {
    status: 404,
    title: 'No such webhook',
    about: 'No webhook has this name. GET /v1/webhooks lists those there are.',
  },
  REVISION_NOT_FOUND: {
    status: 404,
    title: 'No such revision',
    about: 'The configuration has not had that many changes. GET /v1/config/revisions lists them.',
  },
  OPERATION_NOT_FOUND: {
    status: 404,
    title: 'No such operation',
    about: 'No operation has this id, or it ended long ago. GET /v1/operations lists them.',
  },
  METHOD_NOT_ALLOWED: {
    status: 405,
    title: 'The resource has no such method',
    about: 'The `Allow` header lists the methods of this resource.',
  },
  REQUEST_TIMEOUT: {
    status: 408,
    title: 'The request did not arrive in time',
    about: 'The client sent its request too slowly, or not to the end.',
  },
  SERVICE_EXISTS: {
    status: 409,
    title: 'Another virtual service has this address, port and protocol',
    about: 'Two virtual services cannot take the same packets. `detail` names the holder.',
  },
  REAL_SERVER_EXISTS: {
    status: 409,
    title: 'Another real server of this service has this address and port',
    about:
      'Address and port are unique among the real servers of a service; `detail` names the holder.',
  },
  HEALTH_CHECK_IN_USE: {
    status: 409,
    title: 'The health check is in use',
    about:
      'Virtual services or real servers ask for it; `detail` names them. Take it off their ' +
      '`healthChecks.named` first, or in the same list of changes.',
  },
  NOT_CHECKED: {
    status: 409,
    title: 'Nothing checks the real server',
    about:
      'Neither it nor its virtual service asks for health checks (`healthChecks`), or it is ' +
      'disabled, which ends them.',
  },
  CHECK_NOT_EXTERNAL: {
    status: 409,
    title: 'The check takes no reports',
    about: 'Only checks of the kind `external` are told what to find; others find out.',
  },
  TOKEN_EXISTS: {
    status: 409,
    title: 'Another token has this name',
    about: 'Names of tokens are unique, so that the audit log is. Revoke the other one first.',
  },
  REAL_SERVER_DISABLED: {
    status: 409,
    title: 'The real server is disabled',
    about: 'It is not in the dataplane, so it has nothing to drain. Set its adminState first.',
  },
  BELOW_MINIMUM: {
    status: 409,
    title: 'Virtual services would have too few usable real servers',
    about:
      'Draining what the maintenance selects would leave virtual services with fewer usable real ' +
      'servers than their `policy.minimumUsable`, 1 where nothing is said. `errors` has each of ' +
      'them and by how many. Bring others up, lower the minimum, or set `ignoreMinimum`.',
  },
  NOTHING_SELECTED: {
    status: 409,
    title: 'No real server is selected',
    about:
      'No real server of any virtual service has the address or all of the labels of the selector. ' +
      'GET /v1/virtual-services/{name}/real-servers shows what they have.',
  },
  DRAIN_OF_MAINTENANCE: {
    status: 409,
    title: 'The drain is part of a maintenance',
    about:
      'The maintenance that `detail` names began it and will end it: change or delete that one, or ' +
      'change the real server so that its selector does not match.',
  },
  LIMIT_REACHED: {
    status: 409,
    title: 'The appliance holds as many of these as it can',
    about: '`detail` names the limit. Delete something first.',
  },
  EVENTS_REWOUND: {
    status: 410,
    title: 'There is no such event yet',
    about:
      'The event that the client has is newer than the newest one here: the database is another one, ' +
      'or an older one that was restored. Read the state anew, then follow without `after`.',
  },
  EVENTS_TRUNCATED: {
    status: 410,
    title: 'Events from then on are no longer kept',
    about:
      'Something happened since then that the journal has removed. Read the state anew, then follow ' +
      'events without `after` or `Last-Event-ID`.',
  },
  NOT_CONFIRMABLE: {
    status: 409,
    title: 'The operation is not one that is confirmed',
    about: 'Only changes that were made with confirmWithinSeconds wait to be confirmed.',
  },
  OPERATION_ENDED: {
    status: 409,
    title: 'The operation has ended',
    about: 'It was confirmed, cancelled, has expired or came to its end; `detail` says which.',
  },
  REVISION_GONE: {
    status: 410,
    title: 'That revision is no longer kept',
    about: 'History is bounded: the newest 10,000 revisions, or fewer when they are very large.',
  },
  PRECONDITION_FAILED: {
    status: 412,
    title: 'The resource is not in the state that the request requires',
    about: 'If-Match or If-None-Match did not hold. Read the resource again, then decide.',
  },
  BODY_TOO_LARGE: {
    status: 413,
    title: 'The body is too large',
    about:
      'A request body has at most 1 MiB, the text of an import 32 MiB, a configuration 64 MiB.',
  },
  URI_TOO_LONG: {
    status: 414,
    title: 'The address is too long',
    about: 'A part of the path is longer than any name can be.',
  },
  UNSUPPORTED_MEDIA_TYPE: {
    status: 415,
    title: 'The body has a content type that is not taken here',
    about:
      'Send application/json or application/yaml; PATCH also takes application/merge-patch+json.',
  },
  VALIDATION_FAILED: {
    status: 422,
    title: 'The document is not valid',
    about: '`errors` lists every fault, each with a JSON Pointer into the document and a code.',
  },
  IDEMPOTENCY_KEY_REUSED: {
    status: 422,
    title: 'The Idempotency-Key was used for another request',
    about: 'A key belongs to one method, address and body for a day. Take another key.',
  },
  NOT_SUPPORTED_YET: {
    status: 422,
    title: 'The document asks for something that this version cannot do',
    about:
      'The value is valid, but the dataplane does not implement it yet. `errors` points at it.',
  },
  INTERFACE_NOT_FOUND: {
    status: 422,
    title: 'The host cannot put the address on that interface',
    about: 'The named interface does not exist, or no route says where the address belongs.',
  },
  RATE_LIMITED: {
    status: 429,
    title: 'Too many requests',
    about: 'Wait `Retry-After` seconds. `--requests-per-minute` sets the limit of a token or peer.',
  },
  TOKENS_GUESSED: {
    status: 429,
    title: 'Too many tokens from this address were refused',
    about:
      'After ten refused tokens an address has to wait `Retry-After` seconds before the next one is ' +
      'looked at. Tokens that were used from there before go on being taken, and so does the admin ' +
      'socket.',
  },
  CHECK_RUN_TOO_OFTEN: {
    status: 429,
    title: 'The check was run just now',
    about:
      'A health check of a real server is run on demand once a second, three times at once. Wait ' +
      '`Retry-After` seconds; its schedule goes on meanwhile.',
  },
  HEADERS_TOO_LARGE: {
    status: 431,
    title: 'The headers are too large',
    about: 'The headers of a request have at most 16 KiB.',
  },
  INTERNAL_ERROR: {
    status: 500,
    title: 'Something went wrong inside Sluice',
    about: 'This is a bug. The log has the details under the `requestId`.',
  },
  DATAPLANE_REFUSED: {
    status: 500,
    title: 'The dataplane refused the change',
    about: 'The change was checked, stored, then refused by the dataplane and taken back: a bug.',
  },
  OVERLOADED: {
    status: 503,
    title: 'The API has more to do than it can',
    about: 'Nothing was stored. Try again after `Retry-After` seconds; packets are not affected.',
  },
  HEALTH_CHECKS_UNAVAILABLE: {
    status: 503,
    title: 'Health checks are not running',
    about: 'They are being started again. The states that were known hold; repeat the request.',
  },
  TOO_MANY_READERS: {
    status: 503,
    title: 'As many follow the events as can be served',
    about: 'Try again after `Retry-After` seconds, or share a stream.',
  },
  STORAGE_FAILED: {
    status: 503,
    title: 'The database could not store the change',
    about: 'Nothing was changed. `detail` has the reason, for instance a full disk.',
  },
  HOST_FAILED: {
    status: 503,
    title: 'The host could not be prepared for the change',
    about: 'An address or the packet guard could not be set up. Nothing was stored or changed.',
  },
  DATAPLANE_UNAVAILABLE: {
    status: 503,
    title: 'The dataplane is not running',
    about: 'It is being started again. Nothing was stored; repeat the request.',
  },
  APPLY_PENDING: {
    status: 503,
    title: 'The change is stored, but not yet in force everywhere',
    about:
      'It was stored under the revision in `Config-Revision` and is applied as soon as it can be. ' +
      'Repeating the request is safe: it answers once the change is in force.',
  },
  SHUTTING_DOWN: {
    status: 503,
    title: 'Sluice is stopping',
    about: 'Nothing was stored.',
  },
} as const

export type ProblemCode = keyof typeof problems
