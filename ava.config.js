// Tests at real servers and browsers take minutes, and have a command of their own: npm run test:servers.
const servers = "dist/test/servers/**/*.js";

export default {
  files: process.env.AUTHD_TEST_SERVERS
    ? [servers]
    : ["dist/test/**/*.js", "!dist/test/helpers/**", "!dist/test/properties/**", `!${servers}`],
  workerThreads: false,
  timeout: "3m",
};
