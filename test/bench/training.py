"""The default network of `latentloop train`, its objective and Adam, in PyTorch: prints images a second.

    python training.py --threads 2 --batch 64 --steps 30
"""

import argparse
import time

import torch
from torch import nn
from torch.nn import functional as F

options = argparse.ArgumentParser()
options.add_argument("--threads", type=int, required=True)
options.add_argument("--batch", type=int, default=64)
options.add_argument("--steps", type=int, default=30)
options = options.parse_args()
torch.set_num_threads(options.threads)

LATENTS = 12
act = nn.LeakyReLU(0.1)
encoder = nn.Sequential(
    *(nn.Conv2d(3, 32, 4, stride=4), act),
    *(nn.Conv2d(32, 32, 4, stride=2, padding=1), act),
    *(nn.Conv2d(32, 48, 4, stride=2, padding=1), act),
    *(nn.Flatten(), nn.Linear(4 * 4 * 48, 256), act),
    nn.Linear(256, 2 * LATENTS),
)
decoder = nn.Sequential(
    *(nn.Linear(LATENTS, 256), act, nn.Linear(256, 4 * 4 * 64), act, nn.Unflatten(1, (64, 4, 4))),
    *(nn.Conv2d(64, 4 * 32, 3, padding=1), act, nn.PixelShuffle(2)),
    *(nn.Conv2d(32, 4 * 24, 3, padding=1), act, nn.PixelShuffle(2)),
    *(nn.Conv2d(24, 16 * 3, 3, padding=1), nn.PixelShuffle(4)),
)
optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-3)
images = torch.rand(256, 3, 64, 64)
for step in range(options.steps + 5):
    if step == 5:
        start = time.perf_counter()
    x = images[torch.randint(len(images), (options.batch,))]
    mean, log_variance = encoder(x).clamp(-12, 6).chunk(2, dim=1)
    z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
    nll = F.binary_cross_entropy_with_logits(decoder(z), x, reduction="sum") / options.batch
    kl = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum() / options.batch
    optimizer.zero_grad()
    (nll + 4 * kl).backward()
    optimizer.step()
print(options.steps * options.batch / (time.perf_counter() - start))
