select client, digest from upload
