// Folds the suite's results into one table and one closing line.
//
//   node report.mjs FOLDER      FOLDER/SERVER/RUN/…/SCENARIO-TIME/checks.json
//
// A run must hold at least what expected.json says, so that a suite that tests nothing isn't green:
// for the fixtures, so many scenarios and checks, and no failure; for the product, the scenarios
// that need no fixtures (it runs the others too, and what becomes of them doesn't count).
import fs from 'node:fs';
import path from 'node:path';

const folder = process.argv[2];
const expected = JSON.parse(fs.readFileSync(path.join(import.meta.dirname, 'expected.json')));
const time = /-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-\d{3}Z$/;

/** The scenarios of a run: name → { pass, fail, failures }. */
function read(run) {
  const scenarios = new Map();
  if (!fs.existsSync(run)) return scenarios;
  for (const file of fs.readdirSync(run, { recursive: true })) {
    if (path.basename(file) !== 'checks.json') continue;
    const name = path.dirname(file).replace(time, '').replace(/^server-/, '');
    const checks = JSON.parse(fs.readFileSync(path.join(run, file)));
    const failures = checks.filter((check) => check.status === 'FAILURE');
    const pass = checks.filter((check) => check.status === 'SUCCESS').length;
    scenarios.set(name, { pass, fail: failures.length, failures });
  }
  return scenarios;
}

const columns = [];
const problems = [];
let [passed, failed] = [0, 0];
for (const [server, runs] of Object.entries(expected)) {
  for (const [run, want] of Object.entries(runs)) {
    const label = `${server} ${run}`;
    const found = read(path.join(folder, server, run));
    const counted = Array.isArray(want) ? new Map(want.map((name) => [name, found.get(name)])) : found;
    let sum = 0;
    for (const [name, result] of counted) {
      // The suite itself still skips the whole of some scenarios; of those named one by one, none.
      if (!result || (Array.isArray(want) && result.pass + result.fail === 0)) {
        problems.push(`${label}: ${name} wasn't tested`);
        failed += 1;
        continue;
      }
      sum += result.pass;
      failed += result.fail;
      for (const check of result.failures) problems.push(`${label}: ${name}: ${check.id}: ${check.errorMessage ?? check.description}`);
    }
    passed += sum;
    if (!Array.isArray(want) && (counted.size < want.scenarios || sum < want.checks)) {
      problems.push(`${label}: ${counted.size} scenarios and ${sum} checks passed, at least ${want.scenarios} and ${want.checks} must`);
      failed += 1;
    }
    columns.push({ label, counted, sum });
  }
}

const names = [...new Set(columns.flatMap(({ counted }) => [...counted.keys()]))].sort();
const cell = (result) => (result ? `${result.pass}/${result.fail}` : '·');
const row = (first, cells) => `${first.padEnd(46)} ${cells.map((text) => text.padStart(7)).join(' ')}`;
console.log('checks passed/failed; columns:');
columns.forEach(({ label, counted, sum }, index) => console.log(`  ${index + 1}  ${label}: ${counted.size} scenarios, ${sum} checks passed`));
console.log(row('scenario', columns.map((_, index) => `${index + 1}`)));
for (const name of names) console.log(row(name, columns.map(({ counted }) => cell(counted.get(name)))));
for (const problem of problems) console.log(`FAIL ${problem}`);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
