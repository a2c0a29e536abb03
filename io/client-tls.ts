/**
 * Whom an https address is trusted to be, with roots of a mesh given: a server by its SPIFFE ID, whatever address it is
 * called by, and never a service or host that a root of the mesh has signed too (pitfall 36). A certificate that is not
 * of the mesh (a reverse proxy's) must carry the name that was called, as everywhere.
 */
import { checkServerIdentity, type PeerCertificate } from "node:tls";
import { splitSpiffeId } from "../core/model/spiffe.ts";
import { parseCertificate } from "../core/x509/certificate.ts";
import { decodePem } from "../core/x509/pem.ts";
import { spiffeServerIdentity } from "./tls/context.ts";

export interface ApiTls {
  readonly ca: string;
  readonly checkServerIdentity: (host: string, certificate: PeerCertificate) => Error | undefined;
}

export function apiTls(rootsPem: string): ApiTls {
  const trustDomains = decodePem(rootsPem).flatMap((der) => {
    const [uri] = parseCertificate(der).extensions.uriSans;
    return uri === undefined ? [] : (splitSpiffeId(uri)?.trustDomain ?? []);
  });
  return {
    ca: rootsPem,
    checkServerIdentity: (host, certificate) => {
      const uri = /(?:^|, )URI:(spiffe:\/\/[^,]+)/.exec(certificate.subjectaltname ?? "")?.[1];
      const trustDomain = uri === undefined ? undefined : splitSpiffeId(uri)?.trustDomain;
      const foreign = trustDomain === undefined || !trustDomains.includes(trustDomain);
      if (foreign) return checkServerIdentity(host, certificate);
      return spiffeServerIdentity({ trustDomain, accept: (id) => id.kind === "server" })(host, certificate);
    },
  };
}
