# eventtag on CPUs. Build:  docker build -t eventtag .
# Use, with the articles in the folder where you are:
#   docker run --rm -v "$PWD:/data" eventtag train data.path=my_articles.jsonl run_dir=outputs/mine
FROM python:3.12-slim AS build
WORKDIR /src
COPY . .
# torch's own index has the build for CPUs alone, which is several gigabytes smaller than the usual one.
RUN python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --constraint constraints.txt --extra-index-url https://download.pytorch.org/whl/cpu '.[lint,lora,sweep,zstd]'

FROM python:3.12-slim
COPY --from=build /venv /venv
RUN useradd --create-home --uid 1000 reader && mkdir /data && chown reader /data
USER reader
WORKDIR /data
ENV PATH="/venv/bin:$PATH" PYTHONUNBUFFERED=1
ENTRYPOINT ["eventtag"]
CMD ["--help"]
