// Folders of tests that need what few machines have, or take minutes: each has a command of its own, which
// names it in AUTHD_TEST_ONLY (npm run test:servers and so on).
const apart = ["servers", "native", "clients", "tools", "store", "windows"];
const only = process.env.AUTHD_TEST_ONLY;
const filesOf = (folder) => `dist/test/${folder}/**/*.js`;

export default {
  files: only
    ? [filesOf(only)]
    : [
        "dist/test/**/*.js",
        ...["helpers", "properties", ...apart].map((each) => `!${filesOf(each)}`),
      ],
  workerThreads: false,
  timeout: "3m",
};
