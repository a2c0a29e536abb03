import { join } from "node:path";
import { parseServiceName } from "../../core/model/names.ts";
import { serviceSpiffeId } from "../../core/model/spiffe.ts";
import { createCsr } from "../../core/x509/csr.ts";
import { nodeCrypto } from "../../io/crypto.ts";
import { ensureDir, writeFileAtomic } from "../../io/files.ts";
import * as api from "../api-access.ts";
import type { Args } from "../args.ts";
import type { Context } from "../context.ts";
import { usage } from "../errors.ts";

/** `mesh ca issue SERVICE --out DIR`: the key is made here and never sent. */
export async function run(context: Context, args: Args): Promise<number> {
  const service = parseServiceName(args.required("service"), context.namespace);
  const out = args.text("out");
  if (out === undefined) throw usage("--out is missing: the folder for certificate and key", "--out ./cert");
  const client = context.client();
  const { TrustDomain } = await api.caRoots(client);
  const pair = nodeCrypto.generateKeyPair("ec-p256");
  const csr = createCsr(nodeCrypto, { ...pair, spiffeId: serviceSpiffeId(TrustDomain, service) });
  const ttl = args.text("ttl");
  const issued = await api.issueCertificate(client, {
    namespace: service.namespace, service: service.name, csr: Buffer.from(csr).toString("base64"),
    ...(ttl === undefined ? {} : { ttl }),
  });
  ensureDir(out);
  const files = { cert: join(out, "cert.pem"), key: join(out, "key.pem"), roots: join(out, "roots.pem") };
  writeFileAtomic(files.cert, issued.chain_pem);
  writeFileAtomic(files.key, pair.privateKeyPem);
  writeFileAtomic(files.roots, issued.roots_pem.join(""));
  const sni = `${service.name}.${service.namespace}.svc.${TrustDomain}`;
  await context.show({ ...files, spiffeId: issued.spiffe_id, notAfter: issued.not_after, sni }, () =>
    `${issued.spiffe_id}, until ${issued.not_after}\n  ${files.cert}\n  ${files.key}\n  ${files.roots}\n`);
  context.say("try: curl --cert " + files.cert + " --key " + files.key + " --cacert " + files.roots
    + ` --connect-to ::HOST:INBOUND_PORT https://OTHER-SERVICE.default.svc.${TrustDomain}/`);
  return 0;
}
