// Runs the browser demo's preprocessing in node on the cases of a folder: reads cases.json and NN.rgb, writes NN.f32.
//
//     node preprocess.mjs WEB_DEMO FOLDER
import { readFileSync, writeFileSync } from 'node:fs';

const [webDemo, folder] = process.argv.slice(2);
const { preprocess } = await import(`${webDemo}/js/preprocess.js`);
for (const { name, height, width, input, layout } of JSON.parse(readFileSync(`${folder}/cases.json`))) {
  const pixels = new Uint8ClampedArray(readFileSync(`${folder}/${name}.rgb`));
  writeFileSync(`${folder}/${name}.f32`, preprocess({ height, width, pixels }, input, layout));
}
