/** The Python client over the named pipe, by the conformance suite; whose pipe it uses. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { conformance } from "../helpers/conformance/conformance.ts";
import { missing } from "../helpers/optional.ts";
import { ROOT } from "../helpers/sources.ts";
import { lackingForWindows } from "../helpers/windows/distribution.ts";
import { foreignPipe } from "../helpers/windows/foreign-pipe.ts";
import { onWindows, windowsHome } from "../helpers/windows/home.ts";
import { Windows, windowsPath } from "../helpers/windows/host.ts";
import { lackingForPython, windowsPython } from "../helpers/windows/python.ts";

const windowsTest = onWindows();
const SOURCES = join(ROOT, "clients/python/src");
const DRIVER = windowsPath(join(ROOT, "clients/python/conformance.py"));

const FEATURES = ["concurrent", "cancel", "stream", "upload", "subscribe"] as const;

for (const [client, ...more] of [["python"], ["python asyncio", "--asyncio"]]) {
  let machine: Windows | undefined;
  conformance(`${client} on Windows`, {
    async start(t) {
      const lacking = lackingForWindows() ?? lackingForPython();
      if (lacking !== undefined) return lacking;
      machine = await Windows.start(t);
      return machine.asProgram(windowsPath(await windowsPython()), [DRIVER, ...more]);
    },
    features: [...FEATURES, ...(more.length > 0 ? (["duplex"] as const) : [])],
    reach: (socket) => machine!.publish(socket),
  });
}

const PROGRAM = `
import asyncio, sys
sys.path.insert(0, sys.argv[1])
import authd
from authd.aio import AsyncClient
def tell(call):
    try:
        print(call().access_token, flush=True)
    except authd.AuthdError as error:
        print(error.reason, str(error), flush=True)
async def ask(name):
    async with AsyncClient() as client:
        return await client.get_token(name)
for name in ["orders", "none"]:
    tell(lambda: authd.get_token(name))
    tell(lambda: asyncio.run(ask(name)))
`;

windowsTest(
  "a program in Python gets a token from the daemon, and from nobody else",
  async (t, windows) => {
    const lacking = lackingForPython();
    if (lacking !== undefined) return missing(t, lacking);
    const home = windowsHome(t, windows);
    const program = join(home.folder, "program.py");
    writeFileSync(program, PROGRAM);
    const python = windowsPath(await windowsPython());
    const run = (env = {}) =>
      windows.run(python, [windowsPath(program), windowsPath(SOURCES)], {
        env: { ...home.env, ...env },
      });
    t.regex((await run()).stdout, /^(no_daemon No daemon answers on .*\r\n){4}$/);

    await home.serve();
    await home.addOrders();
    const unknown = String.raw`unknown_credential There is no credential "none".*\r\n`;
    t.regex((await run()).stdout, new RegExp(String.raw`^(made-up-token\r\n){2}(${unknown}){2}$`));

    const foreign = await foreignPipe(t, windows);
    const refused = await run({ AUTHD_SOCKET: foreign.pipe });
    t.regex(
      refused.stdout,
      /^(no_daemon The pipe .* belongs to user S-1-5-21-1-2-3-1001, not to you .*\r\n){4}$/,
      refused.stderr,
    );
    t.deepEqual(await foreign.came(4), [0, 0, 0, 0]);
  },
);
