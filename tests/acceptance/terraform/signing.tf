# A function that takes signed packages only.

resource "aws_signer_signing_profile" "team" {
  name        = "team"
  platform_id = "AWSLambda-SHA384-ECDSA"
  tags        = { of = "team" }

  signature_validity_period {
    value = 3
    type  = "MONTHS"
  }
}

resource "aws_signer_signing_profile_permission" "team" {
  profile_name = aws_signer_signing_profile.team.name
  action       = "signer:StartSigningJob"
  principal    = "210987654321"
  statement_id = "other"
}

resource "aws_signer_signing_job" "code" {
  profile_name               = aws_signer_signing_profile.team.name
  ignore_signing_job_failure = false

  source {
    s3 {
      bucket  = aws_s3_object.code.bucket
      key     = aws_s3_object.code.key
      version = aws_s3_object.code.version_id
    }
  }

  destination {
    s3 {
      bucket = aws_s3_bucket.code.bucket
      prefix = "signed/"
    }
  }
}

resource "aws_lambda_code_signing_config" "enforced" {
  description = "Packages of the team"
  tags        = { of = "enforced" }

  allowed_publishers {
    signing_profile_version_arns = [aws_signer_signing_profile.team.version_arn]
  }

  policies {
    untrusted_artifact_on_deployment = "Enforce"
  }
}

variable "unsigned" {
  type        = bool
  description = "Whether the function is to have the package that nobody has signed."
  default     = false
}

locals {
  signed_key = aws_signer_signing_job.code.signed_object[0].s3[0].key
}

resource "aws_lambda_function" "signed" {
  function_name           = "signed"
  role                    = local.role
  runtime                 = var.runtime
  handler                 = "app.handler"
  s3_bucket               = aws_s3_bucket.code.bucket
  s3_key                  = var.unsigned ? aws_s3_object.code.key : local.signed_key
  code_signing_config_arn = aws_lambda_code_signing_config.enforced.arn
}
