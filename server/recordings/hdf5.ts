import { open } from "node:fs/promises";
import type { Dataset, Entity, File, Group } from "h5wasm";
import { ConfigurationError } from "../failure.ts";

/** h5wasm with its library loaded: 4 MB that only those pay for who open such a file. */
export async function loadHdf5(): Promise<typeof import("h5wasm/node")> {
  const h5wasm = await import("h5wasm/node");
  await h5wasm.ready;
  return h5wasm;
}

const SIGNATURE = Buffer.from("\x89HDF\r\n\x1a\n", "latin1");

/** Opens an HDF5 file to be read. @throws ConfigurationError where there is none, or it is something else */
export async function openHdf5(path: string): Promise<File> {
  const begin = Buffer.alloc(SIGNATURE.length);
  const handle = await open(path).catch((error: NodeJS.ErrnoException) => {
    throw new ConfigurationError(`${path}: expected an NWB file, ${error.code}`);
  });
  await handle.read(begin, 0, begin.length, 0).finally(() => handle.close());
  if (!begin.equals(SIGNATURE))
    throw new ConfigurationError(
      `${path}: expected an NWB (HDF5) file, a folder of Phy or Open Ephys, or a .csv file; found other content`,
    );
  const h5wasm = await loadHdf5();
  try {
    return new h5wasm.File(path, "r");
  } catch (error) {
    throw new ConfigurationError(`${path}: expected a whole HDF5 file, ${(error as Error).message}`);
  }
}

const typeOf = (entity: Entity | null): string | null =>
  entity !== null && "type" in entity ? (entity.type as string) : null;

export const groupAt = (parent: Group, path: string): Group | null => {
  const entity = parent.get(path);
  return typeOf(entity) === "Group" ? (entity as Group) : null;
};

export const datasetAt = (parent: Group, name: string): Dataset | null => {
  const entity = parent.get(name);
  return typeOf(entity) === "Dataset" ? (entity as Dataset) : null;
};
