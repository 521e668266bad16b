/*
 * A connection for each call, as shells, PHP and cron make them: connects, sends one line, reads one
 * line, closes. Costs as little as a client can, so that what is measured is the server.
 *
 *   connect-each SOCKET CALLS REQUEST     prints the microseconds of each call, one a line
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static double now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void call(const char *path, const char *line, size_t length) {
  static char buffer[1 << 16];
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (fd < 0) fail("socket");
  if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) fail("connect");
  if (write(fd, line, length) != (ssize_t)length) fail("write");
  for (;;) {
    ssize_t got = read(fd, buffer, sizeof buffer);
    if (got <= 0) fail("read");
    if (buffer[got - 1] == '\n') break;
  }
  if (strstr(buffer, "\"error\"")) exit(2);
  close(fd);
}

int main(int count, char **args) {
  if (count != 4) return 64;
  size_t length = strlen(args[3]);
  char *line = malloc(length + 2);
  memcpy(line, args[3], length);
  line[length] = '\n';
  for (long left = atol(args[2]); left > 0; left--) {
    double started = now_us();
    call(args[1], line, length + 1);
    printf("%.1f\n", now_us() - started);
  }
  return 0;
}
