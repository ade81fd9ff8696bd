"""Compares log-likelihoods of multiple-choice answers from transformers with those of `prune-gguf evaluate`.

    python choices-oracle.py MODEL.gguf QUESTIONS.jsonl.gz RESULT.json

transformers dequantizes MODEL.gguf to 32-bit floats and runs it with its own code. RESULT.json is the output of
`prune-gguf evaluate MODEL.gguf --questions QUESTIONS.jsonl.gz --max-questions N --json`, for this file or one with the same weights in
another type. Scores are computed as in lm-evaluation-harness: the whole text is encoded, and the tokens beyond those of the query count.
Prints one JSON document: accuracies of both, questions that they answer differently, the largest differences.

Needs torch, transformers, accelerate and gguf from PyPI.
"""
import gzip
import json
import os
import statistics
import sys

import torch
from gguf import GGUFReader
from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence
from transformers import AutoModelForCausalLM, AutoTokenizer


def read_questions(path, count):
    """The first `count` questions in the order of the file; lines of one doc_id are one question."""
    found, seen = [], set()
    with gzip.open(path, "rt", encoding="utf8") as lines:
        for line in lines:
            entry = json.loads(line)
            if entry["doc_id"] in seen:
                continue
            seen.add(entry["doc_id"])
            doc = entry["doc"]
            found.append((doc["query"], doc["choices"], doc.get("gold", doc.get("label"))))
            if len(found) == count:
                break
    return found


def log_likelihood(model, tokenizer, query, choice):
    """Sum of the log-probabilities of the tokens that the choice adds to the query, in nats, and their number."""
    query, gap = query.rstrip(), query[len(query.rstrip()):] + " "
    context = tokenizer(query, add_special_tokens=False).input_ids
    whole = tokenizer(query + gap + choice, add_special_tokens=False).input_ids
    with torch.no_grad():
        logits = model(torch.tensor([whole])).logits[0]
    scores = torch.log_softmax(logits.double(), -1)
    return sum(scores[i - 1, whole[i]].item() for i in range(len(context), len(whole)))


def load_tokenizer(folder, file):
    """The tokenizer of the file. transformers makes a plain GPT-2 tokenizer from it and ignores `tokenizer.ggml.pre`. For SmolLM
    that key means that digits are split off first, so that spaces before a digit stay together."""
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=file)
    field = GGUFReader(os.path.join(folder, file)).fields.get("tokenizer.ggml.pre")
    if field is not None and field.contents() == "smollm":
        tokenizer.backend_tokenizer.pre_tokenizer = Sequence([Digits(individual_digits=True), ByteLevel(add_prefix_space=False)])
    return tokenizer


def best(values):
    return max(range(len(values)), key=lambda i: values[i])


def main():
    path, questions_path, result_path = sys.argv[1:]
    torch.set_num_threads(os.cpu_count())
    folder, file = os.path.split(os.path.abspath(path))
    tokenizer = load_tokenizer(folder, file)
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=file, dtype=torch.float32).eval()
    with open(result_path, encoding="utf8") as handle:
        result = json.load(handle)
    answers = result["answers"]
    questions = read_questions(questions_path, len(answers))
    assert len(questions) == len(answers), "the numbers of questions and answers differ"
    differences, unlike = [], []
    right = {"oracle": [0, 0], "evaluate": [0, 0]}
    for number, ((query, choices, gold), answer) in enumerate(zip(questions, answers)):
        ours = answer["logLikelihoods"]
        theirs = [log_likelihood(model, tokenizer, query, choice) for choice in choices]
        differences += [(abs(a - b), number, i, a, b) for i, (a, b) in enumerate(zip(ours, theirs))]
        lengths = [len(choice) for choice in choices]
        picks = {}
        for name, values in (("oracle", theirs), ("evaluate", ours)):
            picks[name] = best(values), best([value / length for value, length in zip(values, lengths)])
            for kind in (0, 1):
                right[name][kind] += picks[name][kind] == gold
        if picks["oracle"] != picks["evaluate"]:
            unlike.append({"question": number, "oracle": theirs, "evaluate": ours, "characters": lengths})
    differences.sort(reverse=True)
    sizes = [difference[0] for difference in differences]
    count = len(answers)
    print(json.dumps({
        "questions": count,
        "choices": len(sizes),
        "accuracy": {name: values[0] / count for name, values in right.items()},
        "normalizedAccuracy": {name: values[1] / count for name, values in right.items()},
        "reported": [result["accuracy"]["value"], result["normalizedAccuracy"]["value"]],
        "difference": {
            "median": statistics.median(sizes), "mean": statistics.mean(sizes), "largest": sizes[0],
            "largestOf": [dict(zip(("difference", "question", "choice", "evaluate", "oracle"), row)) for row in differences[:5]],
        },
        "answeredDifferently": unlike,
    }, indent=1))


main()
