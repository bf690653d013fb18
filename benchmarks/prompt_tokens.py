"""Count the tokens of what a language model is told, with the tokenizer of GPT-4o (o200k_base).

    python benchmarks/prompt_tokens.py

Needs npm: the package gpt-tokenizer, which holds the vocabulary, is installed into a temporary folder.
"""

from __future__ import annotations

import json
import subprocess
import tempfile

from mien.reporting import llm

COUNT = """
const { encode } = require("gpt-tokenizer/cjs/encoding/o200k_base");
const texts = JSON.parse(require("fs").readFileSync(0, "utf8"));
console.log(JSON.stringify(texts.map((text) => encode(text).length)));
"""

SAID = llm.Utterance("expression7", "happy", "likely", "", 72, "")
CASES = {
    "no person": llm.PersonObservation(),
    "expression": llm.PersonObservation(llm.Utterance("expression7", "happy", "likely", "", None, "low_snr")),
    "expression, head, heart rate": llm.PersonObservation(SAID, head="towards"),
    "everything": llm.PersonObservation(SAID, 12, "slight", "towards", "more_pleasant", "neutral", False, 8),
}


def texts() -> dict[tuple[str, str], str]:
    """Every text that is counted, by its case and its language."""
    result = {}
    for language in llm.languages():
        written = {name: llm.render_observation(case, language) for name, case in CASES.items()}
        result |= {(name, language): text for name, text in written.items()}
        result["everything, with the system message", language] = llm.system_message(written["everything"], language)
        result["the same as JSON", language] = json.dumps(llm.fields(CASES["everything"]), ensure_ascii=False)
    return result


def main() -> None:
    """Print the table of docs/live.md."""
    sentences = texts()
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["npm", "install", "--silent", "--no-save", "--prefix", folder, "gpt-tokenizer"], check=True)
        done = subprocess.run(["node", "-e", COUNT], input=json.dumps(list(sentences.values())), cwd=folder, check=True,
                              capture_output=True, text=True)
    counts = dict(zip(sentences, json.loads(done.stdout), strict=True))
    print("| what is said | " + " | ".join(llm.languages()) + " |\n|---|" + "---|" * len(llm.languages()))
    for name in dict.fromkeys(name for name, _ in counts):
        print(f"| {name} | " + " | ".join(str(counts[name, language]) for language in llm.languages()) + " |")


if __name__ == "__main__":
    main()
