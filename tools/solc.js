// The part of solc's command line that py-solc-x, brownie, forge and gambit use, answered by the
// npm package `solc`:
//   --version
//   --standard-json [FILE]                                     (stdin without FILE)
//   --ast-compact-json FILE... [PREFIX=PATH...] --output-dir DIR [--overwrite]
// Imports are read from --base-path (else the working directory) and each --include-path, as solc
// does; --allow-paths is accepted and means nothing here, since this shim restricts no path.
"use strict";
const fs = require("fs");
const path = require("path");
const solc = require("solc");

function fail(message) {
  process.stderr.write(`solc: ${message}\n`);
  process.exit(1);
}

const WITH_VALUE = { "--base-path": "base", "--include-path": "include", "--allow-paths": "allowed",
  "--output-dir": "out", "-o": "out", "--evm-version": "evm" };
const FLAGS = new Set(["--version", "--standard-json", "--ast-compact-json", "--overwrite"]);

const options = { flags: new Set(), include: [], operands: [], base: "." };
const args = process.argv.slice(2);
while (args.length) {
  const [name, inline] = args.shift().split(/=(.*)/s, 2);
  if (name in WITH_VALUE) {
    const value = inline ?? args.shift() ?? fail(`${name} needs a value`);
    if (name === "--include-path") options.include.push(value);
    else options[WITH_VALUE[name]] = value;
  } else if (FLAGS.has(name)) options.flags.add(name);
  else if (name.startsWith("-") && name !== "-") fail(`option ${name} is not one this shim knows`);
  else options.operands.push(inline === undefined ? name : `${name}=${inline}`);
}

function readImport(unit) {
  for (const folder of [options.base, ...options.include]) {
    const file = path.resolve(folder, unit);
    if (fs.existsSync(file)) return { contents: fs.readFileSync(file, "utf8") };
  }
  return { error: "File not found." };
}

const compile = (input) => solc.compile(input, { import: readImport });

function writeAsts() {
  const remappings = options.operands.filter((operand) => operand.includes("="));
  const files = options.operands.filter((operand) => !operand.includes("="));
  if (!files.length || !options.out) fail("--ast-compact-json needs a file and --output-dir");
  const output = JSON.parse(compile(JSON.stringify({
    language: "Solidity",
    sources: Object.fromEntries(files.map((f) => [f, { content: fs.readFileSync(f, "utf8") }])),
    settings: { remappings, evmVersion: options.evm, outputSelection: { "*": { "": ["ast"] } } },
  })));
  const errors = (output.errors ?? []).filter((e) => e.severity === "error");
  if (errors.length) fail(errors.map((e) => e.formattedMessage).join("\n"));
  fs.mkdirSync(options.out, { recursive: true });
  for (const [unit, { ast }] of Object.entries(output.sources)) {
    const target = path.join(options.out, `${path.basename(unit)}_json.ast`);
    if (fs.existsSync(target) && !options.flags.has("--overwrite")) fail(`${target} exists; give --overwrite`);
    fs.writeFileSync(target, JSON.stringify(ast, null, 2));
  }
}

if (options.flags.has("--version")) {
  console.log(`solc, the solidity compiler commandline interface\nVersion: ${solc.version()}`);
} else if (options.flags.has("--standard-json")) {
  const [file] = options.operands;
  process.stdout.write(compile(fs.readFileSync(file && file !== "-" ? file : 0, "utf8")) + "\n");
} else if (options.flags.has("--ast-compact-json")) {
  writeAsts();
} else {
  fail("give --version, --standard-json or --ast-compact-json");
}
