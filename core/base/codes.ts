/**
 * Every error code that a person or program can meet, with the HTTP status, the exit code of the CLI
 * (0 ok, 1 failed, 2 usage, 3 unreachable, 4 not permitted, 5 timed out) and the fix when the thrower knows no better.
 */
export const CODES = {
  INVALID: { status: 400, exit: 2, fix: "correct the value and try again" },
  INVALID_SERVICE: { status: 400, exit: 2, fix: "correct the service definition and register it again" },
  INVALID_CONFIG: { status: 400, exit: 2, fix: "correct the configuration file" },
  INVALID_RESOURCE: { status: 400, exit: 2, fix: "correct the document and apply it again" },
  INVALID_TICKET: { status: 400, exit: 2, fix: "create a new ticket: mesh acl ticket create" },
  USAGE: { status: 400, exit: 2, fix: "see --help" },
  NO_TOKEN: { status: 403, exit: 4, fix: "set MESH_TOKEN or MESH_TOKEN_FILE, or use the agent's local socket" },
  DENIED: { status: 403, exit: 4, fix: "use a token whose role covers this" },
  NOT_ALLOWED: { status: 403, exit: 4, fix: "permit it: mesh acl node allow NODE NAMESPACE/SERVICE" },
  FORBIDDEN_HOST: { status: 403, exit: 4, fix: "call the API by its loopback address or name" },
  NOT_FOUND: { status: 404, exit: 1, fix: "check the name" },
  METHOD_NOT_ALLOWED: { status: 405, exit: 2, fix: "see the API documentation for this path" },
  CONFLICT: { status: 409, exit: 1, fix: "read the current state and try again" },
  TOO_LARGE: { status: 413, exit: 2, fix: "send less" },
  LIMITED: { status: 429, exit: 1, fix: "wait a moment and try again" },
  INTERNAL: { status: 500, exit: 1, fix: "this is a fault of the mesh; its log says more" },
  NOT_BUILT: { status: 501, exit: 1, fix: "this version does not offer it" },
  UNREACHABLE: { status: 503, exit: 3, fix: "is it running? mesh status" },
  NO_LEADER: { status: 503, exit: 3, fix: "wait for an election, or check the servers" },
  NOT_LEADER: { status: 503, exit: 3, fix: "ask the leader" },
  TIMEOUT: { status: 504, exit: 5, fix: "the outcome is unknown: read the state before you try again" },
  ADDRESS_IN_USE: { status: 500, exit: 1, fix: "stop the other process, or choose another port (0 picks a free one)" },
  STORAGE_CORRUPT: { status: 500, exit: 1, fix: "restore the data folder from a backup; never delete records by hand" },
  STORAGE_FAILED: { status: 500, exit: 1, fix: "check the disk and start again" },
  CERT_INVALID: { status: 403, exit: 4, fix: "join the host again with a new ticket" },
} as const satisfies Record<string, { status: number; exit: number; fix: string }>;
