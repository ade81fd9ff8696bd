"""Trains one small model of the study and cuts its measuring windows from text it has not seen.

    python train-model.py NAME TRAINER TEXT_FOLDER OUT_FOLDER [--seconds 240]

TRAINER is the script that trained the 12-block model in fixture/: its model, tokenizer and export are used, with the sizes and the seed
of NAME below, which were fixed before any method was tuned. Training stops after --seconds and goes on where it stopped when it is called
again; exit code 3 says that it has not finished. Then OUT_FOLDER/NAME.gguf and NAME.windows-10x128.i32 are written.
Needs torch, numpy, tokenizers, gguf.
"""
import argparse, math, pathlib, sys, time

import numpy as np, torch, torch.nn.functional as F

MODELS = {
    "moby": dict(seed=1, steps=1400, texts=["moby-dick.txt"], LAYERS=12, DIM=64, HEADS=4, KV_HEADS=2, FFN=192, VOCAB=512),
    "factbook": dict(seed=2, steps=700, texts=["factbook-prose.txt"], LAYERS=10, DIM=96, HEADS=4, KV_HEADS=4, FFN=256, VOCAB=512),
    "both": dict(seed=3, steps=700, texts=["moby-dick.txt", "factbook-prose.txt"], LAYERS=12, DIM=64, HEADS=2, KV_HEADS=1, FFN=256, VOCAB=768),
    # Trained and measured once, after the method was frozen.
    "final": dict(seed=4, steps=700, texts=["wikitext-2.valid.txt", "moby-dick.txt"], LAYERS=11, DIM=96, HEADS=6, KV_HEADS=2, FFN=192, VOCAB=512),
}
WINDOWS, LENGTH, BATCH, RATE = 10, 128, 16, 4e-3

ap = argparse.ArgumentParser()
ap.add_argument("name", choices=MODELS), ap.add_argument("trainer"), ap.add_argument("texts"), ap.add_argument("out")
ap.add_argument("--seconds", type=float, default=240)
a = ap.parse_args()
spec = MODELS[a.name]
target = pathlib.Path(a.out) / f"{a.name}.gguf"
checkpoint = target.with_suffix(".pt")
torch.set_num_threads(1)

source = pathlib.Path(a.trainer).read_text().rstrip()
assert source.endswith("main()"), "the trainer is expected to end with a call of main()"
room = {"__name__": "trainer", "__file__": a.trainer}
exec(compile(source[: -len("main()")], a.trainer, "exec"), room)
room.update({k: v for k, v in spec.items() if k.isupper()}, CONTEXT=LENGTH, HEAD=spec["DIM"] // spec["HEADS"])

torch.manual_seed(spec["seed"])
texts = [(pathlib.Path(a.texts) / name).read_text(encoding="utf-8") for name in spec["texts"]]
cut = [int(len(text) * 0.95) for text in texts]
tok = room["train_tokenizer"]([text[i : i + 100000] for text, c in zip(texts, cut) for i in range(0, c, 100000)])
train = torch.cat([torch.tensor(tok.encode(text[:c]).ids) for text, c in zip(texts, cut)])
held = [tok.encode(text[c:]).ids for text, c in zip(texts, cut)]
model = room["Model"]()
groups = [
    {"params": [p for p in model.parameters() if p.dim() == 2], "weight_decay": 0.05},
    {"params": [p for p in model.parameters() if p.dim() != 2], "weight_decay": 0.0},
]
optimizer = torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.95))
first = 0
if checkpoint.exists():
    state = torch.load(checkpoint, weights_only=True)
    model.load_state_dict(state["model"]), optimizer.load_state_dict(state["optimizer"])
    first = state["step"]

started = time.time()
for step in range(first, spec["steps"]):
    if time.time() - started > a.seconds:
        torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step}, checkpoint)
        print("stopped before step", step, flush=True)
        sys.exit(3)
    # Drawn by step, so that a run that was interrupted sees what one in a piece would.
    draw = torch.Generator().manual_seed(spec["seed"] * 1_000_003 + step)
    at = torch.randint(0, len(train) - LENGTH - 1, (BATCH,), generator=draw)
    x = torch.stack([train[i : i + LENGTH + 1] for i in at])
    x[:, 0] = 0  # every window starts with the start token
    for group in optimizer.param_groups:
        group["lr"] = RATE * min(1, (step + 1) / 50) * 0.5 * (1 + math.cos(math.pi * step / spec["steps"]))
    loss = F.cross_entropy(model(x[:, :-1]).flatten(0, 1), x[:, 1:].flatten())
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    if step % 100 == 0:
        print(f"step {step} {time.time() - started:.0f}s loss {loss.item():.4f}", flush=True)

model.eval()
room["export"](str(target), model, tok)
# The last 5 % of every text was held out from training; windows are spread evenly over it, each after a start token.
rows = []
for i in range(WINDOWS):
    tokens = held[i % len(held)]
    share = (WINDOWS - i % len(held) + len(held) - 1) // len(held)
    at = (i // len(held)) * ((len(tokens) - LENGTH) // share)
    rows.append([0] + tokens[at : at + LENGTH - 1])
rows = np.array(rows, dtype="<i4")
rows.tofile(target.with_suffix(f".windows-{WINDOWS}x{LENGTH}.i32"))
with torch.no_grad():
    x = torch.tensor(rows).long()
    print("loss on the windows", F.cross_entropy(model(x[:, :-1]).flatten(0, 1), x[:, 1:].flatten()).item())
