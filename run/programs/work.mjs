// SPDX-License-Identifier: GPL-2.0
//
// Threads of Node that compute and use files. Prints "right" if all sums are right.

import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';

const threads = 4;
const files = 20;

function content(thread, file) {
	return `${thread} ${file} `.repeat(1000);
}

function digest(texts) {
	const hash = createHash('sha256');

	texts.forEach((text) => hash.update(text));
	return hash.digest('hex');
}

function expected(thread) {
	return digest(Array.from({ length: files }, (_, file) => content(thread, file)));
}

async function work({ folder, thread }) {
	const names = Array.from({ length: files }, (_, file) => join(folder, `${thread}-${file}`));

	await Promise.all(names.map((name, file) => writeFile(name, content(thread, file))));
	const texts = await Promise.all(names.map((name) => readFile(name, 'utf8')));
	parentPort.postMessage(digest(texts));
}

function result(folder, thread) {
	return new Promise((resolve, reject) => {
		const worker = new Worker(new URL(import.meta.url), { workerData: { folder, thread } });

		worker.once('message', resolve);
		worker.once('error', reject);
	});
}

if (isMainThread) {
	const folder = await mkdtemp(join(tmpdir(), 'work-'));
	const results = await Promise.all(
		Array.from({ length: threads }, (_, thread) => result(folder, thread)));

	await rm(folder, { recursive: true });
	const right = results.every((sum, thread) => sum === expected(thread));
	console.log(right ? 'right' : 'wrong');
	process.exitCode = right ? 0 : 1;
} else {
	await work(workerData);
}
