"""Shared code of the study's trainers: the fixture's trainer as a library, training that can be interrupted, windows of unseen text."""
import argparse, math, pathlib, sys, time

import numpy as np, torch, torch.nn.functional as F

WINDOWS, LENGTH, BATCH, RATE = 10, 128, 16, 4e-3


def options(models, doc):
    ap = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("name", choices=models), ap.add_argument("trainer"), ap.add_argument("texts"), ap.add_argument("out")
    ap.add_argument("--seconds", type=float, default=240)
    return ap.parse_args()


def library(path, sizes):
    """The names of the script that trained the model in fixture/, with other sizes."""
    source = pathlib.Path(path).read_text().rstrip()
    assert source.endswith("main()"), "the trainer is expected to end with a call of main()"
    room = {"__name__": "trainer", "__file__": path}
    exec(compile(source[: -len("main()")], path, "exec"), room)
    room.update(sizes, CONTEXT=LENGTH)
    return room


class Texts:
    """Texts and their tokenizer; the last 5 % of each is held out."""

    def __init__(self, folder, names, train_tokenizer):
        texts = [(pathlib.Path(folder) / name).read_text(encoding="utf-8") for name in names]
        cut = [int(len(text) * 0.95) for text in texts]
        self.tokenizer = train_tokenizer([text[i : i + 100000] for text, c in zip(texts, cut) for i in range(0, c, 100000)])
        encode = lambda text: self.tokenizer.encode(text).ids
        self.train = torch.cat([torch.tensor(encode(text[:c])) for text, c in zip(texts, cut)])
        self.held_texts = [text[c:] for text, c in zip(texts, cut)]
        self.held = [encode(text) for text in self.held_texts]

    def windows(self):
        """Spread evenly over the held-out text, each after a start token: tokens [WINDOWS, LENGTH]."""
        rows = []
        for i in range(WINDOWS):
            tokens = self.held[i % len(self.held)]
            share = (WINDOWS - i % len(self.held) + len(self.held) - 1) // len(self.held)
            at = (i // len(self.held)) * ((len(tokens) - LENGTH) // share)
            rows.append([0] + tokens[at : at + LENGTH - 1])
        return np.array(rows, dtype="<i4")


def train(model, tokens, seed, steps, checkpoint, seconds):
    """Trains until all steps are done, or leaves a checkpoint after some seconds and exits with 3. Parameters marked so have no decay."""
    decays = lambda p: p.dim() == 2 and not getattr(p, "no_decay", False)
    groups = [
        {"params": [p for p in model.parameters() if decays(p)], "weight_decay": 0.05},
        {"params": [p for p in model.parameters() if not decays(p)], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.95))
    first = 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"]), optimizer.load_state_dict(state["optimizer"])
        first = state["step"]
    started = time.time()
    for step in range(first, steps):
        if time.time() - started > seconds:
            torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step}, checkpoint)
            print("stopped before step", step, flush=True)
            sys.exit(3)
        # Drawn by step, so that an interrupted run sees the same data as an uninterrupted one.
        draw = torch.Generator().manual_seed(seed * 1_000_003 + step)
        at = torch.randint(0, len(tokens) - LENGTH - 1, (BATCH,), generator=draw)
        x = torch.stack([tokens[i : i + LENGTH + 1] for i in at])
        x[:, 0] = 0  # every window starts with the start token
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / 50) * 0.5 * (1 + math.cos(math.pi * step / steps))
        loss = loss_of(model, x)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 100 == 0:
            print(f"step {step} {time.time() - started:.0f}s loss {loss.item():.4f}", flush=True)
    model.eval()


def loss_of(model, rows):
    """Nats per token of windows [count, length], their first tokens not scored."""
    return F.cross_entropy(model(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten())


def write_windows(rows, target, model):
    rows.tofile(target.with_suffix(f".windows-{WINDOWS}x{LENGTH}.i32"))
    with torch.no_grad():
        print("loss on the windows", loss_of(model, torch.tensor(rows).long()).item())
