resource "kubernetes_manifest" {{{
