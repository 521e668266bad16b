/*
 * As little as a command can do to print a token: connects, sends one line, reads one line, prints what is in
 * it. It looks at nothing.
 *
 *   get-once SOCKET CREDENTIAL
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int main(int count, char **args) {
  static char buffer[1 << 16];
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (count != 3) return 64;
  strncpy(address.sun_path, args[1], sizeof address.sun_path - 1);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) return 3;
  int length = snprintf(
      buffer, sizeof buffer,
      "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"getToken\",\"params\":{\"credential\":\"%s\"}}\n", args[2]);
  if (write(fd, buffer, length) != length) return 1;
  size_t used = 0;
  do {
    ssize_t got = read(fd, buffer + used, sizeof buffer - 1 - used);
    if (got <= 0) return 1;
    used += got;
  } while (buffer[used - 1] != '\n');
  buffer[used] = 0;
  static const char member[] = "\"accessToken\":\"";
  char *token = strstr(buffer, member);
  if (token == NULL) return 1;
  token += sizeof member - 1;
  char *end = strchr(token, '"');
  if (end == NULL) return 1;
  *end = '\n';
  return write(1, token, end + 1 - token) == end + 1 - token ? 0 : 1;
}
