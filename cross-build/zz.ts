import { buildNative } from "./native.ts";

process.env.CCACHE_DISABLE = "1";
buildNative(process.cwd(), "arm64", { buildTime: 1700000000 });
buildNative(process.cwd(), "arm64", { buildTime: 1700000000, directory: "/tmp/pk-another-length-of-path" });
console.log("done");
