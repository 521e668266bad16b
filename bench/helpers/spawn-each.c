/*
 * Runs a program again and again, its output thrown away, as a shell does in a loop.
 *
 *   spawn-each TIMES PROGRAM ARGUMENTS…     prints the microseconds of each run, one a line
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static double now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

int main(int count, char **args) {
  if (count < 3) return 64;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  for (long left = atol(args[1]); left > 0; left--) {
    pid_t child;
    int status;
    double started = now_us();
    if (posix_spawn(&child, args[2], &actions, NULL, args + 2, environ) != 0) return 1;
    if (waitpid(child, &status, 0) != child || status != 0) return 2;
    printf("%.1f\n", now_us() - started);
  }
  return 0;
}
