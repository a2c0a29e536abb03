import type { Server } from "node:http";
import { json, webServer } from "./web.ts";

/** `GET /details/:id`: what is printed on the book. */
export function details(): Server {
  return webServer((path) => {
    const id = /^\/details\/(\d+)$/.exec(path)?.[1];
    return id === undefined ? undefined : () => json({
      id: Number(id), author: "William Shakespeare", year: 1595, type: "paperback", pages: 200, publisher: "PublisherA",
      language: "English", "ISBN-10": "1234567890", "ISBN-13": "123-1234567890",
    });
  });
}
