/** The Containerfile, built and run by the real buildah and podman, as root. */
import test from "ava";
import { containers } from "../helpers/containers.ts";
import { absent, missing } from "../helpers/optional.ts";
import { until } from "../helpers/until.ts";

test("the image is built of this checkout, runs without root, answers probes and ends in order", async (t) => {
  t.timeout(900_000);
  const gone = absent("buildah", "podman", "crun", "debootstrap");
  if (gone.length > 0) return missing(t, `not installed: ${gone.join(", ")}`);
  const { build, podman, run, start } = containers(t);
  await build();
  const [image] = JSON.parse((await podman(["image", "inspect", "localhost/authd"])).stdout);
  const { Config, Healthcheck } = image;
  t.is(Config.User, "64010:64010");
  t.deepEqual((Config.Healthcheck ?? Healthcheck).Test, ["CMD", "authd", "health"]);

  const hardened = ["--read-only", "--cap-drop=all", "--security-opt=no-new-privileges"];
  const daemon = start("authd", [...hardened, "--volume=/var/lib/authd"]);
  await daemon.says("authd listens on /run/authd/authd.sock");
  const inside = (...args: string[]) => podman(["exec", "authd", ...args]);
  t.is((await inside("authd", "health")).stdout.split("\n")[0], "ready");
  t.is((await inside("id", "-u")).stdout, "64010\n");
  t.is((await inside("cat", "/proc/1/comm")).code, 0);
  const add = ["exec", "-i", "authd", "authd", "add", "mine", "--grant", "static"];
  const added = await podman([...add, "--secrets-from", "-"], '{"token":"practice"}');
  t.is(added.code, 0, added.stderr);
  t.is((await inside("authd", "get", "mine")).stdout, "practice\n");
  await until(async () => (await inside("authd", "doctor")).stdout.includes("mine"));
  t.is((await podman(["stop", "--time=30", "authd"])).code, 0);
  const { code, stderr } = await daemon.ended;
  t.is(code, 0, stderr);

  const nobody = await run(hardened, ["health"]);
  t.is(nobody.code, 3, nobody.stderr);
});
