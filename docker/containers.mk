# Images, services, and their like as processes: the work is in scripts/containers, container_run and infra
# (docs/containers.md).
.PHONY: docker-build docker-build-native docker-build-pythonic docker-build-spark
docker-build: ## build the stacks' images and Jupyter's; print their sizes
	@scripts/containers build
	@scripts/containers sizes
docker-build-native: ## build weir-native
	@scripts/containers build native
docker-build-pythonic: ## build weir-pythonic
	@scripts/containers build pythonic
docker-build-spark: ## build weir-spark
	@scripts/containers build spark

.PHONY: docker-up docker-down docker-logs docker-shell
docker-up: ## start the services: PostgreSQL, MinIO, Spark, Jupyter Lab; WORKERS=N
	@scripts/containers up
docker-down: ## end them; what they hold stays
	@scripts/containers down
docker-logs: ## what they say, until Ctrl-C; SERVICE=minio for one
	@scripts/containers logs $(SERVICE)
docker-shell: ## a shell in an image; STACK=native
	@scripts/containers shell $(or $(STACK),native)

# INPUT: files or folders. SERVICES=1: into PostgreSQL and MinIO of docker-up. CLUSTER=1: on its Spark.
RUN_OPTIONS = $(if $(SERVICES),--services) $(if $(CLUSTER),--cluster) $(or $(INPUT),data/demo)
.PHONY: docker-run-native docker-run-pythonic docker-run-spark
docker-run-native: ## run INPUT (data/demo) by weir-native into lake/containers; SERVICES=1: into docker-up's
	@scripts/container_run native $(RUN_OPTIONS)
docker-run-pythonic: ## the same by weir-pythonic
	@scripts/container_run pythonic $(RUN_OPTIONS)
docker-run-spark: ## the same by weir-spark; CLUSTER=1: on docker-up's Spark
	@scripts/container_run spark $(RUN_OPTIONS)

.PHONY: docker-benchmark docker-test-quick
docker-benchmark: ## weir bench with containers, on docker-up's services; as root: pulls too; BENCH="--quick --runs 3"
	@scripts/containers benchmark $(or $(BENCH),--quick)
docker-test-quick: all ## each image on a little data, against a local run
	@scripts/containers test

.PHONY: infra infra-down
infra: ## the services without containers: PostgreSQL, MinIO, Spark as processes; ONLY="postgres minio"
	@scripts/infra up $(ONLY)
infra-down: ## end them; what they hold stays in .infra
	@scripts/infra down
