import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { podOf } from "../../../src/access/identity/pod.ts";
import { temporaryFolder } from "../../helpers/folder.ts";
import { asRoot } from "../../helpers/optional.ts";

const UID = "0a1b2c3d-0001-4002-8003-0123456789ab";
const SLICE = `kubepods-burstable-pod${UID.replaceAll("-", "_")}.slice`;
const ID = "0123456789abcdef".repeat(4);
/** Of a pod that the kubelet reads from a file. */
const STATIC = "0123456789abcdef0123456789abcdef";

/** /proc/PID/cgroup, and the pod's UID and container; null: none; undefined: not known. */
const CASES: readonly [string, string | null | undefined, string?][] = [
  [`0::/kubepods.slice/kubepods-burstable.slice/${SLICE}/cri-containerd-${ID}.scope`, UID, ID],
  [`0::/kubepods.slice/kubepods-burstable.slice/${SLICE}/crio-${ID}.scope`, UID, ID],
  [`0::/kubepods.slice/kubepods-burstable.slice/${SLICE}/crio-${ID}.scope/container`, UID, ID],
  [`0::/kubepods.slice/kubepods-burstable.slice/${SLICE}/docker-${ID}.scope`, UID, ID],
  [`0::/kubepods.slice/kubepods-pod${STATIC}.slice/cri-containerd-${ID}.scope`, STATIC, ID],
  [`0::/kubepods/burstable/pod${UID}/${ID}`, UID, ID],
  [`0::/kubepods/pod${UID}/${ID}`, UID, ID],
  [`0::/kubepods/besteffort/pod${UID}`, UID],
  // kind has its nodes' groups below the kubelet's.
  [`0::/kubelet.slice/kubelet-kubepods.slice/kubelet-${SLICE}/cri-containerd-${ID}.scope`, UID, ID],
  // Seen from inside of another pod's group.
  [`0::/../../${SLICE}/cri-containerd-${ID}.scope`, UID, ID],
  [`0::/../../../kubepods-besteffort.slice/${SLICE}/cri-containerd-${ID}.scope`, UID, ID],
  [`12:cpu:/\n1:name=systemd:/kubepods/burstable/pod${UID}/${ID}`, UID, ID],
  // A container, a user and a unit name what is below them.
  [`0::/kubepods/pod${UID}/${ID}/kubepods/pod${STATIC}/${ID}`, UID, ID],
  [`0::/user.slice/user-1000.slice/user@1000.service/kubepods.slice/${SLICE}`, undefined],
  [`0::/../../system.slice/docker-${ID}.scope/kubepods/pod${UID}/${ID}`, undefined],
  [`0::/docker/${ID}/kubepods/pod${UID}/${ID}`, undefined],
  [`0::/\n4:memory:/kubepods/pod${UID}/${ID}`, undefined],
  ["0::/kubepods.slice/kubepods-burstable.slice", undefined],
  ["0::/system.slice/backup.service", null],
  [`0::/system.slice/pod${UID}`, null],
  ["0::/", null],
  ["12:cpu:/", undefined],
  ["", undefined],
  // The kernel keeps only \n out of the names of groups.
  ...["\r", "\u2028", "\u2029"].flatMap((end): [string, undefined][] => [
    [`9:pids:/a${end}0::/kubepods/pod${UID}/${ID}\n1:name=systemd:/`, undefined],
    [`1:name=systemd:/a${end}0::/kubepods/pod${UID}/${ID}`, undefined],
    [`0::/kubepods/pod${UID}/${ID}${end}`, undefined],
  ]),
];
for (const [cgroup, uid, containerId] of CASES) {
  test(`pod: ${encodeURI(cgroup)}`, (t) => {
    const pod = podOf(`${cgroup}\n`, "/nonexistent");
    t.deepEqual(pod, uid ? { uid, containerId, name: undefined } : (uid as null | undefined));
  });
}

asRoot("its name is in the kubelet's folder, as long as only root can write there", (t) => {
  const folder = join(temporaryFolder(t), "pods");
  const name = () => podOf(`0::/kubepods/pod${UID}/${ID}\n`, folder)?.name;
  t.is(name(), undefined);
  mkdirSync(folder, { mode: 0o755 });
  mkdirSync(join(folder, `shop_web-0_${STATIC}`));
  t.is(name(), undefined);
  mkdirSync(join(folder, `shop_web-1.a_${UID}`));
  t.is(name(), "shop/web-1.a");
  chmodSync(folder, 0o777);
  t.is(name(), undefined);
  chmodSync(folder, 0o750);
  t.is(name(), "shop/web-1.a");
  mkdirSync(join(folder, `shop_web-2_${UID}`));
  t.is(name(), undefined, "two of one UID");
});
