/** A named pipe of somebody else, who waits for what is sent to it. */
import { join } from "node:path";
import { temporaryFolder } from "../folder.ts";
import type { Scope } from "../scope.ts";
import { until } from "../until.ts";
import { compileForWindows } from "./distribution.ts";
import { newPipe, type Windows, windowsPath } from "./host.ts";

/** Of no user of this machine. Windows would let nobody but an administrator make it so; Wine does. */
const OWNER = "S-1-5-21-1-2-3-1001";

const LISTENS = String.raw`
#include <stdio.h>
#include <windows.h>
#include <sddl.h>
int main(int count, char **words) {
  SECURITY_ATTRIBUTES attributes = { sizeof attributes, 0, 0 };
  char read[4096];
  DWORD bytes;
  if (!ConvertStringSecurityDescriptorToSecurityDescriptorA("O:${OWNER}G:${OWNER}D:(A;;FA;;;WD)", 1,
      &attributes.lpSecurityDescriptor, 0)) return 1;
  HANDLE pipe = CreateNamedPipeA(words[count - 1], PIPE_ACCESS_DUPLEX, PIPE_TYPE_BYTE | PIPE_WAIT, 1, 4096, 4096, 0, &attributes);
  if (pipe == INVALID_HANDLE_VALUE) return 2;
  if (count > 2 && CreateFileA(words[count - 1], GENERIC_READ | GENERIC_WRITE, 0, 0, OPEN_EXISTING, 0, 0) == INVALID_HANDLE_VALUE)
    return 4;
  printf("listening\n");
  fflush(stdout);
  for (;;) {
    if (!ConnectNamedPipe(pipe, 0) && GetLastError() != ERROR_PIPE_CONNECTED) return 3;
    bytes = 0;
    ReadFile(pipe, read, sizeof read, &bytes, 0);
    printf("came %lu\n", bytes);
    fflush(stdout);
    DisconnectNamedPipe(pipe);
  }
}
`;

/** Returns its name; one that is busy has no room for another client. `came` waits for so many connections, and returns how many bytes came with each. */
export async function foreignPipe(
  t: Scope,
  windows: Windows,
  { isBusy = false } = {},
): Promise<{ pipe: string; came(connections: number): Promise<number[]> }> {
  const program = join(temporaryFolder(t), "listens.exe");
  await compileForWindows(LISTENS, program);
  const pipe = newPipe();
  const running = await windows.program(windowsPath(program), [...(isBusy ? ["busy"] : []), pipe]);
  t.teardown(() => running.kill());
  await running.says("listening");
  return {
    pipe,
    async came(connections) {
      const said = () => [...running.stdout.matchAll(/came (\d+)\r?\n/g)];
      await until(() => said().length >= connections, { message: `${connections} connections` });
      return said().map(([, bytes]) => Number(bytes));
    },
  };
}
