terraform {
  required_providers {
    aws = {
      source = "hashicorp/aws"
    }
  }
}

provider "aws" {
  region                      = "us-east-1"
  access_key                  = "test"
  secret_key                  = "test"
  s3_use_path_style           = true
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true

  endpoints {
    kms    = var.endpoint
    lambda = var.endpoint
    s3     = var.endpoint
    signer = var.endpoint
  }

  default_tags {
    tags = { project = "tests" }
  }
}

variable "endpoint" {
  type        = string
  description = "Where Lamina listens."
}

variable "architecture" {
  type        = string
  description = "Of this machine."
}

variable "code" {
  type        = string
  description = "A zip with app.py."
}

variable "image" {
  type        = string
  description = "URI of a container image."
}

variable "runtime" {
  type        = string
  description = "What app.py runs on."
}

variable "change" {
  type        = number
  description = "The number of the configuration, from 1."
}

locals {
  role = "arn:aws:iam::000000000000:role/fake"
}
