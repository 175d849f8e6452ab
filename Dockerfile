# Training in a container, on a GPU with `--build-arg GPU=1`: docs/install.md.
FROM python:3.13-slim
ARG GPU
# Graphics is among what a container may use of a GPU, for EGL.
ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility,graphics
RUN apt-get update && \
    apt-get install -y --no-install-recommends libegl1 libopengl0 && \
    rm -rf /var/lib/apt/lists/*
WORKDIR /slac
COPY requirements*.txt ./
RUN pip install --no-cache-dir --no-deps -r requirements.txt ${GPU:+-r requirements-gpu.txt}
COPY . .
CMD ["python", "train_eval.py", "--gin_file=gin/walker.gin"]
