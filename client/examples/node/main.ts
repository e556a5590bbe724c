// Streams samples into a DataInf server and prints those that matter most for validation points.
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { type FileHandle, open, readFile } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import { credentials, type ServiceError, status } from "@grpc/grpc-js";
import { InfluenceServiceClient, QueryRequest, type QueryResponse } from "./gen/datainf/v1/influence_service.js";
import { Ack, type DeepPartial, IngestRequest, type IngestResponse, IngestServiceClient } from "./gen/datainf/v1/ingest_service.js";
import { CreateRunRequest, type CreateRunResponse, type Run, RunServiceClient } from "./gen/datainf/v1/run_service.js";
import { BlockLayout } from "./gen/datainf/v1/types.js";

const { values: options } = parseArgs({
  options: {
    target: { type: "string", default: "127.0.0.1:50051" }, // the server: host:port or unix:/path
    run: { type: "string", default: "example" }, // made if it does not exist
    layout: { type: "string", default: "" }, // a JSON file: {"blocks": [{"name": "lora_A", "rows": 4, "columns": 64}]}
    train: { type: "string" }, // float32 little-endian, a row for each sample
    "first-id": { type: "string", default: "0" }, // id of the first sample; others follow
    writer: { type: "string", default: randomUUID() }, // name of an earlier writer, to go on where it stopped
    val: { type: "string" }, // float32 little-endian, a row for each validation point
    top: { type: "string", default: "10" }, // how many samples to print, most harmful first
  },
});
// Gradients and ids of a batch. Constant, so that a stream that resumes cuts the same batches.
const batchBytes = 1 << 20;
const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = (byte >>> 1) ^ (byte & 1 ? 0x82f63b78 : 0);
  return byte;
});
const insecure = credentials.createInsecure();

const layout = BlockLayout.fromJSON(JSON.parse(await readFile(options.layout, "utf8")));
const request = CreateRunRequest.fromPartial({ run: { runId: options.run, layout } });
const runs = new RunServiceClient(options.target, insecure);
const { run } = await new Promise<CreateRunResponse>((resolve, reject) =>
  runs.createRun(request, (error, response) => (error ? reject(error) : resolve(response))),
);
runs.close();
const rowBytes = 4 * Number(run!.dimension);
const acked = Ack.fromPartial({}); // all acks together
if (options.train !== undefined) {
  const rows = await open(options.train);
  for (let attempt = 1; !(await push(run!, rows)); attempt++) {
    if (attempt === 600) throw new Error(`${options.target} is not available`);
    await setTimeout(1000);
  }
  await rows.close();
  const rejected = acked.rejectedSamples.map((sample) => `${sample.sampleId} ${sample.detail}`);
  console.error(`${acked.duplicateCount} duplicates, ${acked.replacedCount} replaced, rejected: [${rejected}]`);
}
if (options.val !== undefined) await query(run!, options.val);

/** Sends what is not durable yet. Returns true when everything is, false if the server went away. */
async function push(run: Run, rows: FileHandle): Promise<boolean> {
  const client = new IngestServiceClient(options.target, insecure);
  const stream = client.ingest();
  const failed = new Promise<never>((_, reject) => stream.once("error", reject));
  failed.catch(() => {}); // also when nobody waits
  const answers: AsyncIterator<IngestResponse> = stream[Symbol.asyncIterator]();
  const send = async (request: DeepPartial<IngestRequest>) => {
    if (!stream.write(IngestRequest.fromPartial(request))) await Promise.race([once(stream, "drain"), failed]);
  };
  try {
    await send({ open: { runId: run.runId, writerId: options.writer, layoutHash: run.layoutHash } });
    const { opened } = (await answers.next()).value as IngestResponse;
    if (Number(opened!.maxMessageBytes) < 2 * batchBytes) {
      throw new Error(`max_message_bytes is ${opened!.maxMessageBytes}: expected at least ${2 * batchBytes}`);
    }
    const batch = Buffer.alloc(Math.max(1, Math.floor(batchBytes / (rowBytes + 8))) * rowBytes);
    const unackedBatches = Math.max(1, Math.floor(Number(opened!.maxUnackedBytes) / batch.length)); // one must go, however large
    acked.durableBatchSeq = opened!.resumeAfterBatchSeq;
    for (let seq = acked.durableBatchSeq + 1n; ; seq++) {
      const offset = (Number(seq) - 1) * batch.length;
      const { bytesRead } = await rows.read(batch, 0, batch.length, offset);
      if (bytesRead === 0) break;
      if (bytesRead % rowBytes !== 0) throw new Error(`${options.train}: expected rows of ${rowBytes} bytes`);
      while (seq - acked.durableBatchSeq > unackedBatches) await receive(answers);
      const firstId = BigInt(options["first-id"]) + BigInt(offset / rowBytes);
      const sampleIds = Array.from({ length: bytesRead / rowBytes }, (_, i) => firstId + BigInt(i));
      // A sample larger than a message travels in pieces. Everything else is one piece.
      for (let at = 0; at < bytesRead; at += batchBytes) {
        const gradients = Buffer.from(batch.subarray(at, Math.min(at + batchBytes, bytesRead))); // a copy: it is sent later
        await send({ batch: { batchSeq: seq, sampleIds, elementOffset: BigInt(at / 4), crc32c: crc32c(gradients), gradients } });
      }
    }
    stream.end();
    while (await receive(answers));
    return true;
  } catch (error) {
    if ((error as ServiceError).code === status.UNAVAILABLE) return false;
    throw error;
  } finally {
    stream.cancel();
    client.close();
  }
}

/** Takes the next ack. Returns false when there is none. */
async function receive(answers: AsyncIterator<IngestResponse>): Promise<boolean> {
  const { done, value } = await answers.next();
  if (done) return false;
  acked.durableBatchSeq = value.ack!.durableBatchSeq;
  acked.revision = value.ack!.revision;
  acked.duplicateCount += value.ack!.duplicateCount;
  acked.replacedCount += value.ack!.replacedCount;
  acked.rejectedSamples.push(...value.ack!.rejectedSamples);
  return true;
}

/** Prints a line for each score: validation point, sample id, score. */
async function query(run: Run, path: string): Promise<void> {
  const gradients = await readFile(path);
  const client = new InfluenceServiceClient(options.target, insecure);
  const spec = {
    runId: run.runId,
    minRevision: acked.revision,
    validationGradients: { count: gradients.length / rowBytes },
    selection: { top: { count: BigInt(options.top) } },
  };
  for await (const answer of client.query(QueryRequest.fromPartial({ spec, gradients })) as AsyncIterable<QueryResponse>) {
    const { queryIndex, sampleIds, scores } = answer.scores ?? { queryIndex: 0, sampleIds: Buffer.of(), scores: Buffer.of() };
    for (let i = 0; i < scores.length; i += 8) {
      console.log(`${queryIndex}\t${sampleIds.readBigUInt64LE(i)}\t${scores.readDoubleLE(i)}`);
    }
  }
  client.close();
}

/** CRC-32C (Castagnoli). That of node:zlib is another one. */
function crc32c(bytes: Uint8Array): number {
  let crc = ~0;
  for (const byte of bytes) crc = crcTable[(crc ^ byte) & 0xff]! ^ (crc >>> 8);
  return ~crc >>> 0;
}
