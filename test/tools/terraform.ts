/** OpenTofu, which go builds, and Terraform where it is installed: no registry of packages has that one. */

import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { startApi } from "../helpers/api.ts";
import { createAuthority } from "../helpers/certificates.ts";
import { run } from "../helpers/child.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { absent, missing } from "../helpers/optional.ts";
import { startToolDaemon } from "../helpers/tool-daemon.ts";
import { goProgram } from "../helpers/tool-packages.ts";

/** OpenTofu needs its own version of a library. */
const TOFU = {
  package: "github.com/opentofu/opentofu/cmd/tofu",
  version: "v1.12.6",
  replace:
    "github.com/hashicorp/hcl/v2 => github.com/opentofu/hcl/v2 v2.20.2-0.20251021132045-587d123c2828",
};

test("OpenTofu gets a module from a private registry with a token of authd", async (t) => {
  if (absent("go").length > 0) return missing(t, "there is no go to build it with");
  t.timeout(1_200_000);
  return await getModule(t, await goProgram(t, TOFU));
});

if (absent("terraform").length === 0)
  test("Terraform gets a module from a private registry with a token of authd", async (t) =>
    await getModule(t, "terraform"));

async function getModule(t: ExecutionContext, program: string): Promise<void> {
  const authority = createAuthority();
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, "outputs.tf"), 'output "tiny" { value = "module" }\n');
  execFileSync("tar", ["-czf", join(folder, "module.tgz"), "-C", folder, "outputs.tf"]);
  const packed = readFileSync(join(folder, "module.tgz"));
  const registry = await startApi(
    t,
    ({ url, headers }, response) => {
      response.setHeader("content-type", "application/json");
      if (url === "/.well-known/terraform.json") return response.end('{"modules.v1":"/v1/"}');
      if (url.startsWith("/module.tgz")) return response.end(packed);
      if (headers.authorization !== "Bearer practice-1") response.statusCode = 401;
      else if (url.endsWith("/versions"))
        return response.end('{"modules":[{"versions":[{"version":"1.0.0"}]}]}');
      else if (url.endsWith("/download")) {
        response.setHeader("x-terraform-get", "/module.tgz?archive=tar.gz");
        response.statusCode = 204;
      }
      return response.end();
    },
    authority.issue("127.0.0.1"),
  );
  // Terraform takes no host without a dot.
  const host = `127.0.0.1:${registry.port}`;
  const daemon = await startToolDaemon(t);
  await daemon.addExpiring("modules", `origins=https://${host}`);
  const project = temporaryFolder(t);
  writeFileSync(join(project, "ca.pem"), authority.ca);
  const source = `source = "${host}/acme/tiny/test"\n  version = "1.0.0"`;
  writeFileSync(join(project, "main.tf"), `module "tiny" {\n  ${source}\n}\n`);
  const env = { ...daemon.env, SSL_CERT_FILE: join(project, "ca.pem"), CHECKPOINT_DISABLE: "1" };
  const init = () => run(t, program, ["init", "-no-color"], { cwd: project, env });
  t.not((await init()).code, 0);
  const installed = await daemon.cli(["helper", "install", "terraform"]);
  t.is(installed.code, 0, installed.stderr);
  const { code, stdout, stderr } = await init();
  t.is(code, 0, stdout + stderr);
  t.true(registry.seen.some(({ url }) => url.startsWith("/module.tgz")));
}
