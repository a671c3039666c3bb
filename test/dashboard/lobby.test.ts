import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import { WATCH_PATH } from "../../protocols/wire/dashboard.ts";
import { pack, unpack } from "../../protocols/wire/message.ts";
import { LOBBY_PATH, type LobbyMessage } from "../../protocols/wire/sessions.ts";
import { openLobby } from "../../server/lobby/lobby.ts";
import { createSessionList } from "../../server/lobby/session-list.ts";
import { openWebServer } from "../../server/security/web-server.ts";
import { smallExperiment, start } from "../cli.ts";
import { testFolder } from "../presentation/rig.ts";

type Listing = Extract<LobbyMessage, { op: "lobby" }>;
type Answer = Extract<LobbyMessage, { id: number | null }>;

/** A list's server over a folder of its own, with a socket that asks. */
async function lobby() {
  const root = testFolder();
  const [folder, experiments] = [join(root, "sessions"), join(root, "experiments")];
  mkdirSync(folder);
  mkdirSync(experiments);
  const network = { host: "127.0.0.1", port: 0 };
  const opened = openLobby({ folder, experiments, network, said() {} });
  const server = await openWebServer({
    ...{ host: "127.0.0.1", token: null, port: 0, pages: (_, response) => void response.end() },
    sockets: {
      [LOBBY_PATH]: { attend: opened.attend },
      [WATCH_PATH]: { attend: (socket, _, query) => opened.watch(socket, query.get("session") ?? "") },
    },
  });
  onTestFinished(async () => {
    await server.dispose(() => {});
    await opened.dispose();
  });
  const socket = new WebSocket(`${server.localSocketUrl}${LOBBY_PATH}`);
  const answers: Answer[] = [];
  const state: { listing: Listing | null } = { listing: null };
  socket.on("message", (data: Buffer) => {
    const message = unpack(data) as { value: LobbyMessage };
    if (message.value.op === "lobby") state.listing = message.value;
    else answers.push(message.value);
  });
  await expect.poll(() => state.listing).not.toBeNull();
  const ask = async (request: object) => {
    const before = answers.length;
    socket.send(pack({ v: 1, id: 1, ...request }));
    await expect.poll(() => answers.length).toBe(before + 1);
    return answers[before];
  };
  /** What a dashboard of this session is told first. */
  const watch = (session: string) =>
    new Promise<{ op: string; reason?: string }>((resolve) => {
      const own = new WebSocket(`${server.localSocketUrl}${WATCH_PATH}?${new URLSearchParams({ session })}`);
      onTestFinished(() => own.terminate());
      own.once("message", (data: Buffer) => resolve((unpack(data) as { value: { op: string } }).value));
    });
  return { root, folder, experiments, state, ask, watch };
}

const wanted = {
  ...{ op: "start", experiment: "one-to-one.yaml", trials: 5, seed: 1 },
  ...{ rigFormat: "latentloop", display: "headless", hold: false },
};

test("D7: experiments go by the names of the list; paths and other names are refused", async () => {
  const { root, experiments, state, ask } = await lobby();
  writeFileSync(join(root, "outside.yaml"), smallExperiment("outside", 5, "{ ramp: 1 }"));
  writeFileSync(join(experiments, "mine.yaml"), smallExperiment("mine", 5, "{ ramp: 1 }"));
  writeFileSync(join(experiments, "wrong.yaml"), "name: Wrong");
  writeFileSync(join(experiments, "real.yaml"), smallExperiment("real", 5, "{}").replace(/simulation.*/, ""));
  symlinkSync(join(root, "outside.yaml"), join(experiments, "link.yaml"));
  await expect
    .poll(() => state.listing!.experiments.filter(({ ships }) => !ships).map(({ id }) => id))
    .toEqual(["experiments/mine.yaml", "experiments/real.yaml", "experiments/wrong.yaml"]);
  expect(state.listing!.experiments.find(({ id }) => id === "one-to-one.yaml")).toMatchObject({
    ...{ ships: true, trials: 300, seed: 1, wrong: null },
  });
  expect(JSON.stringify(state.listing!.experiments)).not.toContain(root);
  for (const experiment of [
    "experiments/link.yaml",
    "outside.yaml",
    "../outside.yaml",
    "experiments/../../outside.yaml",
    join(root, "outside.yaml"),
    "",
    "--help",
  ])
    expect(await ask({ ...wanted, experiment })).toMatchObject({
      op: "refused",
      reason: expect.stringMatching(/expected one of the list/),
    });
  expect(await ask({ ...wanted, experiment: "experiments/wrong.yaml" })).toMatchObject({
    reason: expect.stringMatching(/name: expected lower-case letters.*found "Wrong"/),
  });
  expect(await ask({ ...wanted, experiment: "experiments/real.yaml" })).toMatchObject({
    reason: expect.stringMatching(/expected the simulated units' kinds/),
  });
});

test("D7: sessions go by the names of the list: no other folder is opened, nor one behind a link", async () => {
  const { root, folder, watch } = await lobby();
  mkdirSync(join(root, "elsewhere"));
  writeFileSync(join(root, "elsewhere", "journal.llj"), "LLJRNL01");
  symlinkSync(join(root, "elsewhere"), join(folder, "link"));
  mkdirSync(join(folder, "empty"));
  for (const name of ["", ".", "..", "../elsewhere", "link", "..%2felsewhere", join(root, "elsewhere"), "nothing"])
    expect(await watch(name)).toMatchObject({
      op: "bye",
      reason: expect.stringMatching(/expected a session of .*, found "/),
    });
  expect(await watch("empty")).toMatchObject({
    op: "bye",
    reason: expect.stringMatching(/expected a session's journal.llj/),
  });
});

test("D8: what a dry run can't be is refused in a sentence", async () => {
  const { ask } = await lobby();
  for (const [request, reason] of [
    [{ trials: Number.NaN }, "trials: expected a whole number, found no number"],
    [{ trials: 0.5 }, "trials: expected a whole number, found 0.5"],
    [{ trials: 0 }, "trials: expected at least 1, found 0"],
    [{ seed: -1 }, "seed: expected at least 0, found -1"],
    [{ out: "/etc" }, expect.stringContaining('Unrecognized key: "out"')],
  ] as const)
    expect(await ask({ ...wanted, ...request })).toMatchObject({ op: "refused", reason });
  expect(await ask({ op: "dance" })).toMatchObject({ op: "refused", id: null });
  expect(await ask({ op: "end" })).toMatchObject({ reason: "expected a dry run to end, but none is running" });
});

test("D8: a dry run that can't start says why, as run does, and the next one can be started", async () => {
  const { experiments, state, ask } = await lobby();
  writeFileSync(join(experiments, "far.yaml"), smallExperiment("far", 5, "{ ramp: 1 }").replace("faces-64", "nowhere"));
  await expect.poll(() => state.listing!.experiments.some(({ name }) => name === "far")).toBe(true);
  const answer = await ask({ ...wanted, experiment: "experiments/far.yaml" });
  expect(answer).toMatchObject({ op: "refused", reason: expect.stringMatching(/model.*nowhere/) });
  await expect
    .poll(() => state.listing!.run)
    .toMatchObject({ phase: "failed", failure: expect.stringMatching(/nowhere/), port: null });
});

test("D7: the list says of each session how far it came and how it ended", async () => {
  const folder = testFolder();
  const experiment = join(testFolder(), "small.yaml");
  writeFileSync(experiment, smallExperiment("small", 6, "{ ramp: 2 }", "stop: { minutes: 60 }"));
  const { code, stdout, stderr } = await start("run", experiment, "--virtual", "--out", folder, "--json").finished;
  expect(code, stderr).toBe(0);
  mkdirSync(join(folder, "no-session"));
  mkdirSync(join(folder, "damaged"));
  writeFileSync(join(folder, "damaged", "journal.llj"), "LLJRNL01 and then other bytes");
  const listed = await createSessionList(folder).list();
  expect(listed).toHaveLength(2);
  expect(listed.find(({ experiment }) => experiment === "small")).toMatchObject({
    ...{ trials: 6, planned: 6, state: "ended", words: "all trials", simulated: true, port: null },
    startedMs: expect.closeTo(Date.now(), -6),
  });
  expect(stdout).toContain(listed.find(({ experiment }) => experiment === "small")!.name);
  expect(listed.find(({ name }) => name === "damaged")).toMatchObject({
    state: "unreadable",
    words: expect.stringMatching(/expected a first/),
  });
});
