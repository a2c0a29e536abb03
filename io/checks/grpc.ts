import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";
import { Client, credentials, Metadata, status as GrpcStatus, type ServiceError } from "@grpc/grpc-js";
import type { CheckProbe } from "../../core/model/service.ts";
import type { ProbeResult } from "./probe.ts";

/** grpc.health.v1, HealthCheckResponse.ServingStatus. */
const SERVING = 1;
const NAMES = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];

/** `grpc.health.v1.Health/Check`: SERVING is passing, every other answer critical. */
export function probeGrpc(probe: CheckProbe & { type: "grpc" }, signal: AbortSignal): Promise<ProbeResult> {
  const host = probe.host.includes(":") ? `[${probe.host}]` : probe.host;
  const secure = probe.useTls ? credentials.createSsl() : credentials.createInsecure();
  const client = new Client(`${host}:${probe.port}`, secure, {
    "grpc.enable_http_proxy": 0, "grpc.use_local_subchannel_pool": 1, "grpc.max_receive_message_length": 65_536,
  });
  const name = `GRPC ${host}:${probe.port}/${probe.service}`;
  return new Promise<ProbeResult>((resolve, reject) => {
    const call = client.makeUnaryRequest(
      "/grpc.health.v1.Health/Check", encodeRequest, decodeResponse, probe.service, new Metadata(),
      (error: ServiceError | null, status?: number) => {
        if (error !== null) reject(new Error(`${name}: ${describeError(error)}`));
        else if (status === SERVING) resolve({ status: "passing", output: `${name}: SERVING` });
        else resolve({ status: "critical", output: `${name}: ${NAMES[status ?? 0] ?? `status ${status}`}` });
      },
    );
    signal.addEventListener("abort", () => call.cancel());
    if (signal.aborted) call.cancel();
  }).finally(() => client.close());
}

/** `NOT_FOUND`, `UNAVAILABLE: connect ECONNREFUSED 127.0.0.1:1`: without what the library says about itself. */
function describeError({ code, details }: ServiceError): string {
  const said = details.replace(/^No connection established\. Last error: (?:Error: )?/, "")
    .replace(/\. Resolution note: *$/, "");
  return said === "" ? GrpcStatus[code] : `${GrpcStatus[code]}: ${said}`;
}

/** HealthCheckRequest { string service = 1 }. */
function encodeRequest(service: string): Buffer {
  return Buffer.from(new BinaryWriter().uint32(10).string(service).finish());
}

/** HealthCheckResponse { ServingStatus status = 1 }. */
function decodeResponse(bytes: Buffer): number {
  const reader = new BinaryReader(bytes);
  let status = 0;
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag === 8) status = reader.int32();
    else reader.skip(tag & 7);
  }
  return status;
}
