import test from "ava";
import { whyUnfitAddress } from "../../../src/grants/login/private-address.ts";

const API = new URL("https://mcp.example.com/mcp");

test("a server elsewhere may name public https: addresses only", (t) => {
  for (const fine of ["https://login.example.com", "https://93.184.216.34/x", "https://[2606::1]/"])
    t.is(whyUnfitAddress(fine, API), undefined, fine);
  t.regex(whyUnfitAddress("http://login.example.com/", API) ?? "", /not https/);
  t.regex(whyUnfitAddress("ftp://login.example.com/", API) ?? "", /no https: URL/);
  t.regex(whyUnfitAddress("login.example.com", API) ?? "", /no URL/);
  t.regex(whyUnfitAddress("https://me:pw@login.example.com", API) ?? "", /user name/);
});

test("it may not have authd ask this machine or its network, in whatever spelling", (t) => {
  const hosts = [
    ...["127.0.0.1:8080", "localhost", "LOCALHOST.", "x.localhost", "127.1", "2130706433"],
    ...["[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:10.0.0.1]", "[fe80::1]", "[fd00::1]"],
    ...["10.0.0.1", "172.31.255.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"],
    ...["198.18.0.1", "224.0.0.1", "255.255.255.255", "[ff02::1]", "[64:ff9b::7f00:1]"],
    ...["[2002:7f00:1::]", "[2002:a00:1::1]"],
  ];
  for (const host of hosts) {
    t.regex(whyUnfitAddress(`https://${host}/`, API) ?? "", /own network/, host);
    t.not(whyUnfitAddress(`http://${host}/`, API), undefined, host);
  }
});

test("one on this machine may name others here, over plain http, too", (t) => {
  const local = new URL("http://127.0.0.1:9000/mcp");
  t.is(whyUnfitAddress("http://localhost:9001/", local), undefined);
  t.is(whyUnfitAddress("https://login.example.com/", local), undefined);
  t.regex(whyUnfitAddress("http://10.0.0.1/", local) ?? "", /not https/);
});

test("a server in this machine's network may name others there, but not the machine itself", (t) => {
  const near = new URL("https://192.168.1.5/mcp");
  t.is(whyUnfitAddress("https://10.0.0.1/", near), undefined);
  for (const host of ["127.0.0.1", "localhost", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]"])
    t.regex(whyUnfitAddress(`https://${host}/`, near) ?? "", /own network/, host);
});
