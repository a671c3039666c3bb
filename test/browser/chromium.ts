import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type Browser, chromium } from "playwright-core";

const installed = [
  process.env.CHROMIUM_PATH,
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/usr/bin/google-chrome-stable",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/**
 * A headless browser with software WebGL, the same picture on every machine: $CHROMIUM_PATH, else an installed Chromium
 * or Chrome, else the one inside @sparticuz/chromium (Linux x64), unpacked once into the folder for temporary files.
 */
export async function launchChromium(extra: string[] = []): Promise<Browser> {
  const own = installed.find((path) => path !== undefined && existsSync(path));
  const executablePath = own ?? (await packedChromium());
  return chromium.launch({
    executablePath,
    headless: true,
    env: own === undefined ? packedEnvironment(executablePath) : process.env,
    args: [
      "--no-sandbox",
      "--force-color-profile=srgb",
      "--use-gl=angle",
      "--use-angle=swiftshader",
      "--enable-unsafe-swiftshader",
      "--ignore-gpu-blocklist",
      "--hide-scrollbars",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      ...extra,
    ],
  });
}

/** Unpacks beside the final place and renames, so that test files running at once never see half a browser. */
async function packedChromium(): Promise<string> {
  const folder = join(tmpdir(), "latentloop-chromium-147");
  if (!existsSync(folder)) {
    const part = `${folder}.${process.pid}`;
    const before = { TMPDIR: process.env.TMPDIR, AWS_LAMBDA_JS_RUNTIME: process.env.AWS_LAMBDA_JS_RUNTIME };
    mkdirSync(part);
    // The package unpacks into TMPDIR, and its own nss and nspr only where it believes to be on AWS Lambda.
    Object.assign(process.env, { TMPDIR: part, AWS_LAMBDA_JS_RUNTIME: "nodejs20.x" });
    try {
      const { default: packed } = await import("@sparticuz/chromium");
      await packed.executablePath();
      // As packed, it looks for fonts in /tmp/fonts and draws no letters elsewhere.
      const fonts = join(folder, "fonts");
      writeFileSync(
        join(part, "fonts", "fonts.conf"),
        `<fontconfig><dir>${fonts}</dir><cachedir>${join(fonts, "cache")}</cachedir></fontconfig>\n`,
      );
    } finally {
      for (const [name, value] of Object.entries(before)) {
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
      }
    }
    if (existsSync(folder)) rmSync(part, { recursive: true });
    else renameSync(part, folder);
  }
  return join(folder, "chromium");
}

/** The packed libraries only where the machine's own are missing: mixed with newer system libraries they may not load. */
function packedEnvironment(executablePath: string): Record<string, string | undefined> {
  const folder = dirname(executablePath);
  const missing = spawnSync("ldd", [executablePath], { encoding: "utf8" }).stdout.includes("not found");
  return {
    ...process.env,
    FONTCONFIG_PATH: join(folder, "fonts"),
    ...(missing ? { LD_LIBRARY_PATH: join(folder, "al2023", "lib") } : {}),
  };
}
