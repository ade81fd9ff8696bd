"""Trains one small model of the study and cuts its measuring windows from text that it has not seen.

    python train-model.py NAME TRAINER TEXT_FOLDER OUT_FOLDER [--seconds 240]

TRAINER is the script that trained the 12-block model in fixture/. Its model, tokenizer and export are used with the sizes and the seed
of NAME below, which were fixed before any method was tuned. Training stops after --seconds and continues there when it is called again;
exit code 3 means that it has not finished. At the end OUT_FOLDER/NAME.gguf and NAME.windows-10x128.i32 are written.
Needs torch, numpy, tokenizers, gguf.
"""
import pathlib

import torch

import training

MODELS = {
    "moby": dict(seed=1, steps=1400, texts=["moby-dick.txt"], LAYERS=12, DIM=64, HEADS=4, KV_HEADS=2, FFN=192, VOCAB=512),
    "factbook": dict(seed=2, steps=700, texts=["factbook-prose.txt"], LAYERS=10, DIM=96, HEADS=4, KV_HEADS=4, FFN=256, VOCAB=512),
    "both": dict(seed=3, steps=700, texts=["moby-dick.txt", "factbook-prose.txt"], LAYERS=12, DIM=64, HEADS=2, KV_HEADS=1, FFN=256, VOCAB=768),
    # Trained and measured once, after the method was frozen.
    "final": dict(seed=4, steps=700, texts=["wikitext-2.valid.txt", "moby-dick.txt"], LAYERS=11, DIM=96, HEADS=6, KV_HEADS=2, FFN=192, VOCAB=512),
}

a = training.options(MODELS, __doc__)
spec = MODELS[a.name]
target = pathlib.Path(a.out) / f"{a.name}.gguf"
torch.set_num_threads(1)
sizes = {name: size for name, size in spec.items() if name.isupper()}
trainer = training.library(a.trainer, {**sizes, "HEAD": spec["DIM"] // spec["HEADS"]})
torch.manual_seed(spec["seed"])
texts = training.Texts(a.texts, spec["texts"], trainer["train_tokenizer"])
model = trainer["Model"]()
training.train(model, texts.train, spec["seed"], spec["steps"], target.with_suffix(".pt"), a.seconds)
trainer["export"](str(target), model, texts.tokenizer)
training.write_windows(texts.windows(), target, model)
