/**
 * Answers that a proxy makes itself: the value of `x-mesh-error` and of `error.code` in the body, with the status.
 * A closed list; docs and tests are compared with it.
 */
export const PROXY_ERRORS = {
  bad_request: { status: 400, message: "the request is not valid HTTP/1.1" },
  denied: { status: 403, message: "no intention allows this call" },
  request_timeout: { status: 408, message: "the request head did not arrive in time" },
  body_timeout: { status: 408, message: "the request body did not arrive in time" },
  head_too_large: { status: 431, message: "the request head is larger than 64 kB" },
  upstream_reset: { status: 502, message: "the application or its host ended the connection before it answered" },
  upstream_invalid: { status: 502, message: "the application's answer is not valid HTTP/1.1" },
  no_healthy_instance: { status: 503, message: "the service has no healthy instance" },
  no_route: { status: 503, message: "no instance of this service is known here" },
  connect_failed: { status: 503, message: "no instance of the service could be reached" },
  not_ready: { status: 503, message: "the proxy has no certificate for this service yet" },
  timeout: { status: 504, message: "the answer did not come in time" },
  protocol_unsupported: { status: 505, message: "this protocol is not spoken here" },
} as const satisfies Record<string, { status: number; message: string }>;

export type ProxyErrorCode = keyof typeof PROXY_ERRORS;
