/** Starts the program under test with libfaketime in it, whose variable authd would refuse to start with. */
delete process.env.LD_PRELOAD;
const [, , execPath = "", main = "", ...args] = process.argv;
process.argv = [execPath, main, ...args];
await import(main);

export {};
