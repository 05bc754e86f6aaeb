/** How the bundles get Node's own modules: by require(), and of each only what they use. */
import { createRequire } from "node:module";
import type { Plugin } from "esbuild";

const require = createRequire(import.meta.url);

/**
 * An `import` of one of them reads all that it exports, getters and lazy properties too: node:http alone then loads undici, http2,
 * zlib, web streams and worker threads, 5 MB that nobody has asked for (Node's lib/internal/bootstrap/realm.js, syncExports()).
 */
export const requiredBuiltins: Plugin = {
  name: "required-builtins",
  setup(build) {
    build.onResolve({ filter: /^node:/ }, ({ path, kind }) => {
      if (kind === "require-call") return { path, external: true };
      return { path, namespace: kind === "dynamic-import" ? "builtin-later" : "builtin" };
    });
    build.onLoad({ filter: /.*/, namespace: "builtin" }, ({ path }) => ({ contents: asModule(path, names(path, true)) }));
    // Of import() all names count as used.
    build.onLoad({ filter: /.*/, namespace: "builtin-later" }, ({ path }) => ({ contents: asModule(path, names(path, false)) }));
  },
};

function names(path: string, getters: boolean): string[] {
  const all = Object.entries(Object.getOwnPropertyDescriptors(require(path) as object));
  return all.filter(([name, { get }]) => name !== "default" && (getters || get === undefined)).map(([name]) => name);
}

/** Whatever is not used is left out, since a call that is marked pure has no effect but its result. */
function asModule(path: string, exported: readonly string[]): string {
  const lines = exported.map((name) => `export const ${name} = /* @__PURE__ */ $read("${name}");`);
  return `const $all = require("${path}"); const $read = (name) => $all[name]; export default $all; ${lines.join("\n")}`;
}
