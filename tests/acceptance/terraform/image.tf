# A function of a container image.

resource "aws_lambda_function" "image" {
  function_name = "image"
  role          = local.role
  package_type  = "Image"
  image_uri     = var.image
  architectures = [var.architecture]

  image_config {
    entry_point       = ["/bootstrap"]
    command           = ["change-${var.change}"]
    working_directory = "/work"
  }
}
