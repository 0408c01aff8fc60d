// SNS and SQS on a port of the system's choice on loopback, for the tests of the aws driver. Run by the node beside
// it (tests/contract/aws_fixture.c, tests/support/aws.py); says "port N" on standard output, and ends with its parent,
// whose end of standard input it watches. It checks no signatures.
import { buildApp } from "./node_modules/fauxqs/dist/app.js";

const app = buildApp({ logger: false, defaultRegion: "us-east-1" });
await app.listen({ port: 0, host: "127.0.0.1" });
process.stdin.on("end", () => process.exit(0)).resume();
console.log(`port ${app.server.address().port}`);
