"""Who may ask which route of the gateway where the stack is deployed, as it is meant to be."""

# What whoever has a key may ask from outside; a new route belongs to one of the two before it is published.
PUBLIC = frozenset(
    {
        "GET /",
        "GET /config",
        "GET /device",
        "GET /health",
        "GET /info",
        "GET /models",
        "GET /models/info",
        "GET /models/{name}",
        "GET /ping",
        "GET /stats",
        "GET /system",
        "GET /visualization/{filename}",
        "POST /analyze",
        "POST /analyze/audio",
        "POST /analyze/comprehensive",
        "POST /analyze/frames",
        "POST /analyze/visualize",
        "POST /detect/audio",
        "POST /detect/image",
        "POST /detect/multimodal",
        "POST /detect/video",
        "POST /predict",
        "POST /predict_video",
    }
)
FOR_OPERATORS = frozenset(
    {
        "GET /metrics",
        "GET /models/{name}/diff",
        "GET /models/{name}/history",
        "POST /models/{name}/rollout",
    }
)
