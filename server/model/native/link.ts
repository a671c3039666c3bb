/**
 * Builds the native addon of @tensorflow/tfjs-node against the TensorFlow library inside a Python wheel. The package's own
 * install step fetches a library of 2022 from one host; the wheel is current, knows current GPUs, and comes from wherever
 * pip gets its packages.
 */
import { execFile } from "node:child_process";
import { existsSync, realpathSync } from "node:fs";
import { mkdir, rm, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { ConfigurationError } from "../../failure.ts";
import { packageRoot } from "../../package-root.ts";
import { type Extra, installArguments } from "./extras.ts";

const require = createRequire(import.meta.url);
const run = promisify(execFile);

export interface LinkOptions {
  /** The wheel with CUDA and the package that looks for a GPU. */
  gpu: boolean;
  /** What pip is asked for, or a wheel file; left out: the version that this was tried with. */
  wheel?: string | undefined;
  /** A Python whose own TensorFlow is used, or whose pip fetches one. */
  python: string;
  /** Use the TensorFlow that is installed in this Python. */
  installed: boolean;
  compiler: string;
}

/** The version that the addon was built against and tested with. */
export const triedTensorFlow = "2.21.0";

const NAPI = 8;

export interface Linked {
  /** The npm package that now loads. */
  package: Extra;
  /** Folder of the TensorFlow that it is linked to. */
  tensorflow: string;
  addon: string;
}

/** @throws ConfigurationError where something that the user can mend is missing: pip, a compiler, a wheel for this machine */
export async function linkTensorFlow(options: LinkOptions, say: (line: string) => void): Promise<Linked> {
  if (process.platform !== "linux")
    throw new ConfigurationError(`link-tensorflow: expected Linux, found ${process.platform}`);
  await version(options.compiler, "a C++17 compiler; on Debian: apt-get install g++");
  await version(options.python, "Python 3 with pip");

  const name: Extra = options.gpu ? "@tensorflow/tfjs-node-gpu" : "@tensorflow/tfjs-node";
  const addonPackage = join(packageRoot, "node_modules", name);
  if (!existsSync(join(addonPackage, "binding"))) {
    say(`installing ${name} without its own library`);
    await step("npm", [...installArguments([name]), "--ignore-scripts"], "npm");
  }

  const tensorflow = options.installed ? await installedTensorFlow(options.python) : await fetchedWheel(options, say);
  for (const file of ["libtensorflow_cc.so.2", "libtensorflow_framework.so.2", "include/tensorflow/c/c_api.h"])
    if (!existsSync(join(tensorflow, file)))
      throw new ConfigurationError(
        `${tensorflow}: expected ${file}, as the wheels of TensorFlow ${triedTensorFlow} have it, found none`,
      );

  say(`building the addon against ${tensorflow}`);
  const addon = join(addonPackage, "lib", `napi-v${NAPI}`, "tfjs_binding.node");
  await mkdir(dirname(addon), { recursive: true });
  await step(options.compiler, compilerArguments(addonPackage, tensorflow, addon), "the addon");
  // Where the package looks for its own library.
  const lib = join(addonPackage, "deps", "lib");
  await rm(lib, { recursive: true, force: true });
  await mkdir(lib, { recursive: true });
  await symlink(join(tensorflow, "libtensorflow_cc.so.2"), join(lib, "libtensorflow.so"));
  await symlink(join(tensorflow, "libtensorflow_framework.so.2"), join(lib, "libtensorflow_framework.so"));
  return { package: name, tensorflow, addon };
}

/** The library's own folder is the run path, so that it finds the CUDA libraries that pip laid beside it. */
export function compilerArguments(addonPackage: string, tensorflow: string, addon: string): string[] {
  return [
    ...["-std=c++17", "-O2", "-fPIC", "-shared", `-DNAPI_VERSION=${NAPI}`, "-w"],
    ...["-I", require("node-api-headers").include_dir as string, "-I", join(tensorflow, "include")],
    ...["tfjs_backend.cc", "tfjs_binding.cc"].map((file) => join(addonPackage, "binding", file)),
    ...["-L", tensorflow, "-l:libtensorflow_cc.so.2", "-l:libtensorflow_framework.so.2"],
    ...[`-Wl,-rpath,${tensorflow}`, "-o", addon],
  ];
}

async function installedTensorFlow(python: string): Promise<string> {
  const find = "import importlib.util; print(importlib.util.find_spec('tensorflow').submodule_search_locations[0])";
  const { stdout } = await run(python, ["-c", find]).catch(() => {
    throw new ConfigurationError(`${python}: expected a Python with TensorFlow installed, found none in it`);
  });
  return realpathSync(stdout.trim());
}

async function fetchedWheel(options: LinkOptions, say: (line: string) => void): Promise<string> {
  const spec =
    options.wheel ?? (options.gpu ? `tensorflow[and-cuda]==${triedTensorFlow}` : `tensorflow-cpu==${triedTensorFlow}`);
  const target = join(packageRoot, ".cache", options.gpu ? "tensorflow-gpu" : "tensorflow-cpu");
  say(`fetching ${spec} with pip (a gigabyte or more), into ${target}`);
  // Of the processor's wheel the library is all that is needed; CUDA comes as packages of its own.
  const dependencies = options.gpu ? [] : ["--no-deps"];
  const args = [
    "-m",
    "pip",
    "install",
    "--quiet",
    "--no-compile",
    "--upgrade",
    "--target",
    target,
    ...dependencies,
    spec,
  ];
  await step(options.python, args, "pip (its TensorFlow has wheels for Python 3.10 to 3.13; --python names another)");
  return realpathSync(join(target, "tensorflow"));
}

async function version(program: string, what: string): Promise<void> {
  await run(program, ["--version"]).catch(() => {
    throw new ConfigurationError(`expected ${what}, found no ${program}`);
  });
}

async function step(program: string, args: string[], what: string): Promise<void> {
  await run(program, args, { cwd: packageRoot, maxBuffer: 1 << 26 }).catch((error: Error & { stderr?: string }) => {
    const told =
      error.stderr
        ?.trim()
        .split("\n")
        .filter((line) => /error/i.test(line))[0] ?? error.message.split("\n")[0];
    throw new ConfigurationError(`${what}: ${told}`);
  });
}
