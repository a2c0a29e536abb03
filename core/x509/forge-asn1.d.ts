/** The part of node-forge's ASN.1 layer that der.ts uses. Its published types would pull Node's into core/. */
declare module "node-forge/lib/asn1.js" {
  interface Asn1 {
    readonly tagClass: number;
    readonly type: number;
    readonly constructed: boolean;
    /** Children when constructed, else the contents as a binary string: one character is one byte. */
    readonly value: string | Asn1[];
  }
  interface ByteBuffer {
    getBytes(): string;
  }
  interface ForgeAsn1 {
    create(tagClass: number, type: number, constructed: boolean, value: string | Asn1[]): Asn1;
    fromDer(
      bytes: string,
      options: { strict: boolean; parseAllBytes: boolean; decodeBitStrings: boolean; maxDepth: number },
    ): Asn1;
    toDer(node: Asn1): ByteBuffer;
    oidToDer(oid: string): ByteBuffer;
    derToOid(bytes: string): string;
  }
  const asn1: ForgeAsn1;
  export = asn1;
}
