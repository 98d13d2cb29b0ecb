# Orders, from Terraform.
variable "image_tag" {
  type    = string
  default = "1.4.1"
}

variable "bucket" { default = "dev-bucket" }

variable "database_password" {
  default   = "hunter22"
  sensitive = true
}

variable "parallelism" { type = number }

variable "replicas" {}

locals {
  configuration = {
    "taskmanager.numberOfTaskSlots" = "1"
    "state.savepoints.dir"          = local.savepoints
  }
  savepoints = "s3://${var.bucket}/savepoints"
  labels     = { team = "a", "example.com/tier" = "gold" }
}

resource "kubernetes_manifest" "orders" {
  manifest = {
    apiVersion = "flink.apache.org/v1beta1"
    kind       = "FlinkDeployment"
    metadata = {
      name      = "orders"
      namespace = "flink"
      labels    = local.labels
    }
    spec = {
      image          = "registry.example.com/orders:${var.image_tag}"
      flinkVersion   = "v1_20"
      serviceAccount = "flink"
      ingress        = null
      flinkConfiguration = merge(local.configuration, {
        "taskmanager.numberOfTaskSlots" = "2"
        "state.checkpoints.dir"         = "s3://${var.bucket}/checkpoints"
        "s3.secret-key"                 = "hunter33"
      }, null)
      jobManager  = { resource = { memory = "1024m", cpu = 1 } }
      taskManager = { resource = { memory = "1024m", cpu = 0.5 } }
      job = {
        jarURI      = "local:///opt/flink/usrlib/orders.jar"
        args        = ["--config", jsonencode({ topic = "orders<>", partitions = 3 })]
        parallelism = var.parallelism
        upgradeMode = "savepoint"
      }
    }
  }

  wait { fields = { "status.lifecycleState" = "STABLE" } }
}

resource "kubernetes_manifest" "prices" {
  manifest = yamldecode(file("${path.module}/manifests/prices.yaml"))
}

resource "kubectl_manifest" "rates" {
  yaml_body = <<-YAML
    # Rates, every minute.
    apiVersion: flink.apache.org/v1beta1
    kind: FlinkSessionJob
    metadata:
      name: rates
    spec:
      deploymentName: prices # the session cluster
      job: {jarURI: "https://repo.example.com/rates-${var.image_tag}.jar", parallelism: 1, upgradeMode: stateless}
  YAML
}
