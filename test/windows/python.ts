/** The Python client over the named pipe, by the conformance suite, and in a program. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { missing } from "../helpers/optional.ts";
import { ROOT } from "../helpers/sources.ts";
import { conformanceOnWindows } from "../helpers/windows/conformance.ts";
import { onWindows, windowsHome } from "../helpers/windows/home.ts";
import { newPipe, windowsPath } from "../helpers/windows/host.ts";
import { lackingForPython, windowsPython } from "../helpers/windows/python.ts";

const windowsTest = onWindows();
const SOURCES = join(ROOT, "clients/python/src");
const DRIVER = windowsPath(join(ROOT, "clients/python/conformance.py"));

const FEATURES = ["concurrent", "cancel", "stream", "upload", "subscribe"] as const;

/** Without an event loop it looks for an answer only between two parts of a body: the answer has to be there by then. */
const IN_TURN = [
  "an answer that begins before the body ends",
  "an answer that breaks off before the body ends",
];

for (const [client = "", ...more] of [["python"], ["python asyncio", "--asyncio"]]) {
  conformanceOnWindows(client, {
    start: async (_, windows) =>
      lackingForPython() ??
      windows.asProgram(windowsPath(await windowsPython()), [DRIVER, ...more]),
    features: [...FEATURES, ...(more.length > 0 ? (["duplex"] as const) : [])],
    leaves: more.length > 0 ? [] : IN_TURN,
  });
}

/** It tells with which flags it opens the pipe, too: Wine lets who listens act as the user, whatever they are. */
const PROGRAM = `
import asyncio, sys
sys.path.insert(0, sys.argv[1])
import authd
from authd import _pipe
from authd.aio import AsyncClient
opened = []
create = _pipe._kernel32.CreateFileW
def note(*given):
    opened.append(hex(given[5]))
    return create(*given)
_pipe._kernel32.CreateFileW = note
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
print(*opened, flush=True)
del asyncio.ProactorEventLoop.__mro__[1]._make_duplex_pipe_transport
tell(lambda: asyncio.run(ask("orders")))
`;

windowsTest("a program in Python gets a token from the daemon", async (t, windows) => {
  const lacking = lackingForPython();
  if (lacking !== undefined) return missing(t, lacking);
  const pipe = `${newPipe()} of Åsa Öberg`;
  const home = windowsHome(t, windows, { env: { AUTHD_SOCKET: pipe } });
  const program = join(home.folder, "program.py");
  writeFileSync(program, PROGRAM);
  const python = windowsPath(await windowsPython());
  const words = [windowsPath(program), windowsPath(SOURCES)];
  const run = () => windows.run(python, words, { env: home.env });
  t.regex((await run()).stdout, /^(no_daemon No daemon answers on .*\r\n){4}/);

  await home.serve();
  await home.addOrders();
  const unknown = String.raw`unknown_credential There is no credential "none".*\r\n`;
  // SECURITY_SQOS_PRESENT with SECURITY_IDENTIFICATION, and FILE_FLAG_OVERLAPPED; once by threads, twice in event loops.
  const opened = "0x40110000 0x40110000 0x40110000";
  const told = String.raw`^(made-up-token\r\n){2}(${unknown}){2}${opened}\r\nno_daemon The event loop of this Python takes no .*\r\n$`;
  t.regex((await run()).stdout, new RegExp(told));
});
