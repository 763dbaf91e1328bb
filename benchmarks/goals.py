"""Goals of the comparison, by kind of machine. A limit is in seconds; a ratio says how many times faster recdash is."""

from __future__ import annotations

# How many times faster than the fastest library, or than the plain loop where no library has the model.
RATIOS: dict[str, dict[str, float]] = {
    "bfloat16": {"multvae": 5.0, "multdae_200": 5.0, "cdae": 4.0, "recvae": 4.0, "ease": 2.0},
    "float32": {"multvae": 2.2, "multdae_200": 1.8, "cdae": 1.6, "recvae": 2.6, "ease": 2.0},
}
# Seconds on the processor.
SECONDS: dict[str, dict[str, float]] = {
    "bfloat16": {"svae": 9.0, "autorec": 120 / 500, "evaluation": 0.06},
    "float32": {"svae": 21.0, "autorec": 240 / 500, "evaluation": 0.1},
}
# How many times sooner than the library recdash is as good.
QUALITY: dict[str, dict[str, float]] = {
    "bfloat16": {"multvae": 6.0, "recvae": 6.0},
    "float32": {"multvae": 5.0, "recvae": 4.0},
}
PEAK_MIB = {"multvae": 800}
# Seconds on a card of the class of an H100 or H200.
GPU: dict[str, float] = {
    "ml1m/multvae/epoch": 0.025,
    "ml1m/svae/epoch": 1.0,
    "ml1m/autorec/500 epochs": 12.0,
    "ml20m/multvae/500/epoch": 0.22,
    "ml20m/multvae/1000/epoch": 0.16,
    "ml20m/multvae/1000/200 epochs with evaluation": 110.0,
    "ml20m/multdae/1000/epoch": 0.15,
    "ml20m/cdae/epoch": 0.15,
    "ml20m/cdae/10,000 new users": 0.5,
    "ml20m/recvae/500/epoch": 1.5,
    "ml20m/ease/fit": 1.3,
    "ml20m/itemknn/fit": 2.0,
    "ml20m/evaluation of 10,000 users": 0.3,
}
# NDCG@100 or RMSE of preset auto on MovieLens-1M, split 98765: measured on the processor, within one standard error.
GPU_QUALITY: dict[str, tuple[str, float, float]] = {
    "multvae": ("ndcg@100", 0.4107, 0.0078),
    "multdae": ("ndcg@100", 0.4146, 0.0078),
    "recvae": ("ndcg@100", 0.4263, 0.0078),
    "cdae": ("ndcg@100", 0.4068, 0.0078),
    "autorec": ("rmse", 0.8367, 0.002),
    "deeprec": ("rmse", 0.8574, 0.002),
}
